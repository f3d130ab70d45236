package ai.molae.djl.chart;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** What something is made of, from its input at the top to its output at the bottom, as an SVG: blocks, some of them in frames. */
public final class BlockDiagram {

    private static final int WIDTH = 460;
    private static final int EDGE = 6;
    private static final int PAD = 12;
    private static final int GAP = 16;
    private static final int LINE = 16;

    /** About the width of a letter. */
    private static final double LETTER = 6.1;

    private static final int TILE = 8;
    private static final int TILE_STEP = 10;
    private static final int TILE_ROW = 15;

    /** Tiles beyond this say no more. */
    private static final int MOST_TILES = 512;

    /**
     * A block.
     *
     * @param title its headline, not HTML
     * @param lines what is to be said of it, not HTML; long ones are broken
     * @param colour its number, below {@link LineChart#COLOURS}
     * @param tiles its equal parts, drawn as small squares: how many each group has; empty for none
     * @param underlined whether a line under each group shows that it has something in common
     */
    public record Block(String title, List<String> lines, int colour, List<Integer> tiles, boolean underlined) {

        /**
         * Checks the colour.
         *
         * @param title its headline, not HTML
         * @param lines what is to be said of it, not HTML
         * @param colour its number, below {@link LineChart#COLOURS}
         * @param tiles how many parts each group has
         * @param underlined whether groups have something in common
         */
        public Block {
            lines = List.copyOf(lines);
            tiles = List.copyOf(tiles);
            Frame.checkColour(colour);
        }

        /**
         * Without parts.
         *
         * @param title its headline, not HTML
         * @param lines what is to be said of it, not HTML
         * @param colour its number, below {@link LineChart#COLOURS}
         */
        public Block(String title, List<String> lines, int colour) {
            this(title, lines, colour, List.of(), false);
        }
    }

    /** Blocks with a frame around them; without a title they have none. */
    private record Part(String title, List<Block> blocks) {}

    private final String title;
    private final List<Part> parts = new ArrayList<>();
    private final StringBuilder drawn = new StringBuilder();

    /**
     * An empty diagram.
     *
     * @param title what it shows, not HTML
     */
    public BlockDiagram(String title) {
        this.title = title;
    }

    /**
     * Adds a block below the others.
     *
     * @param block the block
     * @return this diagram
     */
    public BlockDiagram add(Block block) {
        parts.add(new Part("", List.of(block)));
        return this;
    }

    /**
     * Adds blocks in a frame below the others.
     *
     * @param name what stands at the top of the frame, not HTML
     * @param blocks from the top
     * @return this diagram
     */
    public BlockDiagram add(String name, List<Block> blocks) {
        parts.add(new Part(name, List.copyOf(blocks)));
        return this;
    }

    /**
     * The diagram as HTML.
     *
     * @return a figure
     */
    public String figure() {
        drawn.setLength(0);
        int y = 2;
        for (int i = 0; i < parts.size(); i++) {
            y = i == 0 ? y : arrow(y);
            Part part = parts.get(i);
            y = part.title().isEmpty() ? draw(part.blocks().get(0), EDGE, y, WIDTH - 2 * EDGE) : frame(part, y);
        }
        String description = parts.stream().map(BlockDiagram::words).collect(Collectors.joining("; "));
        return "<figure class=diagram><figcaption><b>" + Html.escape(title) + "</b></figcaption>"
                + Frame.svg(title, description, WIDTH, y + 2) + drawn + "</svg></figure>\n";
    }

    private static String words(Part part) {
        String blocks = part.blocks().stream()
                .map(block -> block.title()
                        + (block.lines().isEmpty() ? "" : " (" + String.join(", ", block.lines()))
                        + (block.lines().isEmpty() ? "" : ")"))
                .collect(Collectors.joining(", then "));
        return part.title().isEmpty() ? blocks : part.title() + ": " + blocks;
    }

    private int frame(Part part, int top) {
        int y = top + PAD + LINE;
        int begin = drawn.length();
        text("title", EDGE + PAD, y - 4, part.title());
        y += 4;
        for (int i = 0; i < part.blocks().size(); i++) {
            y = i == 0 ? y : arrow(y);
            y = draw(part.blocks().get(i), EDGE + PAD, y, WIDTH - 2 * (EDGE + PAD));
        }
        y += PAD;
        drawn.insert(begin, box("frame", EDGE, top, WIDTH - 2 * EDGE, y - top));
        return y;
    }

    private int draw(Block block, int left, int top, int width) {
        int begin = drawn.length();
        int inner = left + PAD + 4;
        int y = top + LINE + 2;
        text("title", inner, y, block.title());
        for (String line : block.lines()) {
            for (String piece : broken(line, (int) ((width - 2 * PAD) / LETTER))) {
                y += LINE;
                text("line", inner, y, piece);
            }
        }
        y += 8;
        if (!block.tiles().isEmpty()) {
            y = tiles(block, inner, y, left + width - PAD);
        }
        String edge = String.format(
                Locale.ROOT,
                "<rect class=c%d x=\"%d\" y=\"%d\" width=\"4\" height=\"%d\"/>",
                block.colour(),
                left,
                top,
                y - top);
        drawn.insert(begin, box("box", left, top, width, y - top) + edge);
        return y;
    }

    /** Groups stand apart; one that does not fit into what is left of a row goes on in the next. */
    private int tiles(Block block, int left, int top, int right) {
        int x = left;
        int y = top + 2;
        int count = 0;
        for (int size : block.tiles()) {
            if (x > left && x + size * TILE_STEP > right && size * TILE_STEP <= right - left) {
                x = left;
                y += TILE_ROW;
            }
            int from = x;
            for (int i = 0; i < size && count < MOST_TILES; i++, count++) {
                if (x + TILE > right) {
                    underline(block, from, x, y);
                    x = left;
                    from = left;
                    y += TILE_ROW;
                }
                drawn.append(String.format(
                        Locale.ROOT,
                        "<rect class=c%d x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"1\"/>",
                        block.colour(),
                        x,
                        y,
                        TILE,
                        TILE));
                x += TILE_STEP;
            }
            underline(block, from, x, y);
            if (count == MOST_TILES) {
                break;
            }
            x += 6;
        }
        return y + TILE_ROW + 5;
    }

    private void underline(Block block, int from, int to, int y) {
        if (block.underlined() && to > from) {
            drawn.append(String.format(
                    Locale.ROOT,
                    "<rect class=c2 x=\"%d\" y=\"%d\" width=\"%d\" height=\"2\"/>",
                    from,
                    y + TILE + 2,
                    to - from - TILE_STEP + TILE));
        }
    }

    /** From here to where the next block begins. */
    private int arrow(int top) {
        drawn.append(String.format(
                Locale.ROOT,
                "<path class=axis d=\"M%d %dV%dM%d %dL%d %dL%d %d\"/>",
                WIDTH / 2,
                top + 2,
                top + GAP - 2,
                WIDTH / 2 - 4,
                top + GAP - 6,
                WIDTH / 2,
                top + GAP - 2,
                WIDTH / 2 + 4,
                top + GAP - 6));
        return top + GAP;
    }

    private static String box(String css, int x, int y, int width, int height) {
        return String.format(
                Locale.ROOT,
                "<rect class=%s x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"3\"/>",
                css,
                x,
                y,
                width,
                height);
    }

    private void text(String css, int x, int y, String text) {
        drawn.append(
                String.format(Locale.ROOT, "<text class=%s x=\"%d\" y=\"%d\">%s</text>", css, x, y, Html.escape(text)));
    }

    /** Lines of at most so many letters, broken at blanks where there are any. */
    static List<String> broken(String line, int letters) {
        List<String> pieces = new ArrayList<>();
        String rest = line.strip();
        while (rest.length() > letters) {
            int at = rest.lastIndexOf(' ', letters);
            boolean blank = at > 0;
            int end = blank ? at : letters;
            pieces.add(rest.substring(0, end));
            rest = rest.substring(blank ? end + 1 : end);
        }
        pieces.add(rest);
        return pieces;
    }
}
