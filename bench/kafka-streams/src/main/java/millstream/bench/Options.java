package millstream.bench;

import java.util.HashMap;
import java.util.Map;

/** The command line: {@code --name value} each, or {@code --name} alone. */
final class Options {
  private final Map<String, String> given = new HashMap<>();

  Options(String[] words) {
    for (int at = 0; at < words.length; at++) {
      if (!words[at].startsWith("--")) {
        throw new IllegalArgumentException("expected an option instead of " + words[at]);
      }
      String name = words[at].substring(2);
      boolean alone = at + 1 == words.length || words[at + 1].startsWith("--");
      given.put(name, alone ? "true" : words[++at]);
    }
  }

  String text(String name) {
    String value = given.get(name);
    if (value == null) {
      throw new IllegalArgumentException("--" + name + " is missing");
    }
    return value;
  }

  String text(String name, String otherwise) {
    return given.getOrDefault(name, otherwise);
  }

  long number(String name, long otherwise) {
    return given.containsKey(name) ? Long.parseLong(given.get(name)) : otherwise;
  }

  boolean flag(String name) {
    return given.containsKey(name);
  }
}
