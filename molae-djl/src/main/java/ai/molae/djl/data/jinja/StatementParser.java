package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Statement.Flow;
import ai.molae.djl.data.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Compiles the segments of a template. */
final class StatementParser {

    private final List<Segment> segments;
    private int position;
    private int loops;

    StatementParser(List<Segment> segments) {
        this.segments = segments;
    }

    Statement template() {
        return block("the template", Set.of());
    }

    /** Statements up to a tag of one of these names, which becomes the next segment; without names up to the end of the template. */
    private Statement block(String opened, Set<String> ends) {
        List<Statement> statements = new ArrayList<>();
        while (position < segments.size()) {
            Segment segment = segments.get(position);
            if (segment.kind() == Segment.Kind.TAG
                    && ends.contains(segment.tokens().get(0).text())) {
                return Statement.sequence(statements);
            }
            position++;
            statements.add(located(segment, statement(segment)));
        }
        if (ends.isEmpty()) {
            return Statement.sequence(statements);
        }
        throw new JinjaException("{% " + opened + " %} has no end: one of " + ends + " is missing");
    }

    private Statement statement(Segment segment) {
        if (segment.kind() == Segment.Kind.TEXT) {
            String text = segment.text();
            return (scope, out) -> {
                scope.spend(text.length());
                out.append(text);
                return Flow.NEXT;
            };
        }
        try {
            TokenStream tokens = new TokenStream(segment.tokens());
            if (segment.kind() == Segment.Kind.OUTPUT) {
                Expression value = new ExpressionParser(tokens).tuple();
                tokens.expectEnd();
                return (scope, out) -> {
                    out.append(Values.text(value.eval(scope), scope.budget()));
                    return Flow.NEXT;
                };
            }
            return tag(tokens);
        } catch (JinjaException e) {
            throw e.at(segment.line());
        }
    }

    /** Pays for what the statement's words do and adds the line to its faults. */
    private static Statement located(Segment segment, Statement statement) {
        int cost = 1 + segment.tokens().size();
        return (scope, out) -> {
            scope.spend(cost);
            try {
                return statement.run(scope, out);
            } catch (JinjaException e) {
                throw e.at(segment.line());
            }
        };
    }

    private Statement tag(TokenStream tokens) {
        String name = tokens.name();
        return switch (name) {
            case "if" -> condition(tokens);
            case "for" -> loop(tokens);
            case "set" -> set(tokens);
            case "macro" -> macro(tokens);
            case "break", "continue" -> flow(name, tokens);
            case "generation" -> {
                tokens.expectEnd();
                Statement body = block(name, Set.of("endgeneration"));
                end();
                yield body;
            }
            default -> throw new JinjaException("there is no tag '" + name
                    + "' here; known are if, for, set, macro, break, continue, generation and raw");
        };
    }

    private Statement flow(String name, TokenStream tokens) {
        tokens.expectEnd();
        if (loops == 0) {
            throw new JinjaException("'" + name + "' stands outside of a loop");
        }
        Flow flow = name.equals("break") ? Flow.BREAK : Flow.CONTINUE;
        return (scope, out) -> flow;
    }

    /** The tag that ended a block, after its name. */
    private TokenStream end() {
        TokenStream tokens = new TokenStream(segments.get(position++).tokens());
        tokens.next();
        return tokens;
    }

    private String ending() {
        return segments.get(position).tokens().get(0).text();
    }

    private Statement condition(TokenStream tokens) {
        Expression condition = new ExpressionParser(tokens).tuple();
        tokens.expectEnd();
        Statement then = block("if", Set.of("elif", "else", "endif"));
        String ending = ending();
        TokenStream rest = end();
        Statement otherwise;
        if (ending.equals("elif")) {
            otherwise = condition(rest);
        } else {
            rest.expectEnd();
            if (ending.equals("else")) {
                otherwise = block("else", Set.of("endif"));
                end().expectEnd();
            } else {
                otherwise = Statement.sequence(List.of());
            }
        }
        return (scope, out) -> Values.isTrue(condition.eval(scope)) ? then.run(scope, out) : otherwise.run(scope, out);
    }

    private Statement loop(TokenStream tokens) {
        List<String> targets = targets(tokens, "in");
        ExpressionParser expressions = new ExpressionParser(tokens);
        Expression elements = expressions.or();
        Expression condition = tokens.take(Kind.NAME, "if") ? expressions.expression() : scope -> true;
        tokens.expectEnd();
        loops++;
        Statement body = block("for", Set.of("else", "endfor"));
        loops--;
        Statement otherwise = Statement.sequence(List.of());
        if (ending().equals("else")) {
            end().expectEnd();
            otherwise = block("else", Set.of("endfor"));
        }
        end().expectEnd();
        return new Loop(targets, elements, condition, body, otherwise);
    }

    /** Names with commas between them, then a word that ends them. */
    private static List<String> targets(TokenStream tokens, String end) {
        boolean bracket = tokens.take(Kind.OPERATOR, "(");
        List<String> targets = new ArrayList<>(List.of(tokens.name()));
        while (tokens.take(Kind.OPERATOR, ",")) {
            targets.add(tokens.name());
        }
        if (bracket) {
            tokens.expect(")");
        }
        if (!end.isEmpty() && !tokens.take(Kind.NAME, end)) {
            throw tokens.unexpected(tokens.peek(), "'" + end + "'");
        }
        return targets;
    }

    private Statement set(TokenStream tokens) {
        if (tokens.following().is(Kind.OPERATOR, ".")) {
            String namespace = tokens.name();
            tokens.next();
            String attribute = tokens.name();
            tokens.expect("=");
            Expression value = new ExpressionParser(tokens).tuple();
            tokens.expectEnd();
            return (scope, out) -> {
                if (!(scope.get(namespace) instanceof Values.Namespace target)) {
                    throw new JinjaException(
                            "'" + namespace + "' is no namespace, so its '" + attribute + "' cannot be set");
                }
                target.variables().put(attribute, value.eval(scope));
                return Flow.NEXT;
            };
        }
        List<String> targets = targets(tokens, "");
        if (tokens.take(Kind.OPERATOR, "=")) {
            Expression value = new ExpressionParser(tokens).tuple();
            tokens.expectEnd();
            return (scope, out) -> {
                Loop.assign(targets, value.eval(scope), scope);
                return Flow.NEXT;
            };
        }
        String name = targets.get(0);
        Expression filtered = new PostfixParser(tokens, new ExpressionParser(tokens)).filters(scope -> scope.get(name));
        tokens.expectEnd();
        Statement body = block("set", Set.of("endset"));
        end().expectEnd();
        return (scope, out) -> {
            StringBuilder text = new StringBuilder();
            body.run(scope.inner(), text);
            Scope inner = scope.inner();
            inner.set(name, text.toString());
            scope.set(name, filtered.eval(inner));
            return Flow.NEXT;
        };
    }

    private Statement macro(TokenStream tokens) {
        String name = tokens.name();
        tokens.expect("(");
        List<String> parameters = new ArrayList<>();
        List<Expression> defaults = new ArrayList<>();
        while (!tokens.take(Kind.OPERATOR, ")")) {
            String parameter = tokens.name();
            parameters.add(parameter);
            defaults.add(
                    tokens.take(Kind.OPERATOR, "=")
                            ? new ExpressionParser(tokens).expression()
                            : scope -> new Values.Undefined("parameter '" + parameter + "' of " + name));
            if (!tokens.at(Kind.OPERATOR, ")")) {
                tokens.expect(",");
            }
        }
        tokens.expectEnd();
        Statement body = block("macro", Set.of("endmacro"));
        end();
        return new Macro(name, parameters, defaults, body);
    }
}
