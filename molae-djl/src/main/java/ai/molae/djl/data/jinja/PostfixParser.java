package ai.molae.djl.data.jinja;

import ai.molae.djl.data.jinja.Token.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Compiles what follows a value: members, elements, slices, calls, filters and tests. */
final class PostfixParser {

    /** Of an index that fits into 64 bits. */
    private static final int MOST_DIGITS = 18;

    /** After the name of a test these do not begin its argument. */
    private static final Set<String> NO_ARGUMENT = Set.of("and", "or", "else", "is", "in", "not", "if");

    private static final Expression ABSENT = scope -> Values.NONE;

    private final TokenStream tokens;
    private final ExpressionParser expressions;

    PostfixParser(TokenStream tokens, ExpressionParser expressions) {
        this.tokens = tokens;
        this.expressions = expressions;
    }

    Expression members(Expression value) {
        Expression result = value;
        while (true) {
            if (tokens.take(Kind.OPERATOR, ".")) {
                result = attribute(result);
            } else if (tokens.take(Kind.OPERATOR, "[")) {
                result = subscript(result);
            } else if (tokens.take(Kind.OPERATOR, "(")) {
                result = call(result);
            } else {
                return result;
            }
        }
    }

    Expression filters(Expression value) {
        Expression result = value;
        while (true) {
            if (tokens.take(Kind.OPERATOR, "|")) {
                result = filter(result);
            } else if (tokens.take(Kind.NAME, "is")) {
                result = test(result);
            } else if (tokens.take(Kind.OPERATOR, "(")) {
                result = call(result);
            } else {
                return result;
            }
        }
    }

    private Expression attribute(Expression value) {
        Token name = tokens.next();
        if (name.kind() == Kind.INTEGER) {
            if (name.text().length() > MOST_DIGITS) {
                throw tokens.unexpected(name, "an index of at most " + MOST_DIGITS + " digits after '.'");
            }
            Long index = Long.valueOf(name.text());
            return scope -> Members.subscript(value.eval(scope), index);
        }
        if (name.kind() != Kind.NAME) {
            throw tokens.unexpected(name, "a name after '.'");
        }
        return scope -> Members.attribute(value.eval(scope), name.text());
    }

    private Expression subscript(Expression value) {
        Expression[] bounds = {ABSENT, ABSENT, ABSENT};
        int colons = 0;
        while (!tokens.take(Kind.OPERATOR, "]")) {
            if (tokens.take(Kind.OPERATOR, ":") && colons < 2) {
                colons++;
            } else {
                bounds[colons] = expressions.expression();
                if (!tokens.at(Kind.OPERATOR, ":") && !tokens.at(Kind.OPERATOR, "]")) {
                    throw tokens.unexpected(tokens.peek(), "']'");
                }
            }
        }
        if (colons == 0) {
            Expression key = bounds[0];
            return scope -> Members.subscript(value.eval(scope), key.eval(scope));
        }
        return scope -> Members.slice(
                value.eval(scope), bounds[0].eval(scope), bounds[1].eval(scope), bounds[2].eval(scope), scope.budget());
    }

    private Expression call(Expression function) {
        Call arguments = arguments();
        return scope -> {
            Object target = function.eval(scope);
            if (target instanceof Callable callable) {
                scope.spend(1);
                return callable.call(arguments.eval(scope), scope);
            }
            throw Values.fault("only a function can be called", target);
        };
    }

    private Expression filter(Expression value) {
        String name = tokens.name();
        if (!Filters.exists(name)) {
            throw new JinjaException("there is no filter '" + name + "'");
        }
        Call arguments = tokens.take(Kind.OPERATOR, "(") ? arguments() : null;
        return scope -> Filters.apply(name, value.eval(scope), eval(arguments, scope), scope);
    }

    private Expression test(Expression value) {
        boolean negated = tokens.take(Kind.NAME, "not");
        Token token = tokens.next();
        String name = token.text();
        if (token.kind() == Kind.END || token.kind() == Kind.STRING || !Predicates.exists(name)) {
            throw new JinjaException("there is no test " + token).at(token.line());
        }
        Call arguments = null;
        if (tokens.take(Kind.OPERATOR, "(")) {
            arguments = arguments();
        } else if (startsArgument(tokens.peek())) {
            arguments = new Call(List.of(members(expressions.primary())), Map.of());
        }
        Call given = arguments;
        return scope -> {
            scope.spend(1);
            Object tested = value.eval(scope);
            return Predicates.test(name, tested, eval(given, scope).positional(), scope.budget()) != negated;
        };
    }

    private static boolean startsArgument(Token token) {
        return switch (token.kind()) {
            case STRING, INTEGER, FLOAT -> true;
            case NAME -> !NO_ARGUMENT.contains(token.text());
            case OPERATOR -> token.text().equals("[") || token.text().equals("{");
            case END -> false;
        };
    }

    private static Arguments eval(@Nullable Call call, Scope scope) {
        return call == null ? Arguments.NONE : call.eval(scope);
    }

    Call arguments() {
        List<Expression> positional = new ArrayList<>();
        Map<String, Expression> named = new LinkedHashMap<>();
        while (!tokens.take(Kind.OPERATOR, ")")) {
            if (tokens.peek().kind() == Kind.NAME && tokens.following().is(Kind.OPERATOR, "=")) {
                String name = tokens.name();
                tokens.next();
                named.put(name, expressions.expression());
            } else {
                positional.add(expressions.expression());
            }
            if (!tokens.at(Kind.OPERATOR, ")")) {
                tokens.expect(",");
            }
        }
        return new Call(positional, named);
    }

    /** The arguments of a call, not computed yet. */
    record Call(List<Expression> positional, Map<String, Expression> named) {

        Arguments eval(Scope scope) {
            List<Object> values = new ArrayList<>();
            positional.forEach(expression -> values.add(expression.eval(scope)));
            Map<String, Object> byName = new LinkedHashMap<>();
            named.forEach((name, expression) -> byName.put(name, expression.eval(scope)));
            return new Arguments(values, byName);
        }
    }
}
