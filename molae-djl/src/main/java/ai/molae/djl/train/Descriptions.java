package ai.molae.djl.train;

import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/** Settings as what JSON knows: a record is a map of its components, in their order, after its {@code type}. */
final class Descriptions {

    private Descriptions() {}

    static Map<String, Object> of(Record settings) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("type", settings.getClass().getSimpleName());
        for (RecordComponent component : settings.getClass().getRecordComponents()) {
            Object value = read(settings, component);
            if (!(value instanceof OptionalDouble optional && optional.isEmpty())) {
                map.put(component.getName(), plain(value));
            }
        }
        return map;
    }

    private static Object read(Record settings, RecordComponent component) {
        try {
            return component.getAccessor().invoke(settings);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("cannot read " + component + " of " + settings, e);
        }
    }

    private static Object plain(Object value) {
        if (value instanceof Record record) {
            return of(record);
        }
        if (value instanceof OptionalDouble optional) {
            return optional.getAsDouble();
        }
        if (value instanceof Collection<?> collection) {
            List<Object> list = new ArrayList<>();
            collection.forEach(element -> list.add(plain(element)));
            return list;
        }
        return value instanceof Number || value instanceof Boolean ? value : value.toString();
    }
}
