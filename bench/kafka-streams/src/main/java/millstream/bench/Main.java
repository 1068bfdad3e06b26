package millstream.bench;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;

/**
 * Takes all records of a topic through one app of Kafka Streams, stops it, checks that all of its input is committed, and
 * prints one line of JSON. The output topic must be there.
 *
 * <pre>--workload pass-through|json|word-count --bootstrap HOST:PORT --input TOPIC --output TOPIC --application-id ID
 * --state-dir DIR --steps N [--guarantee at_least_once|exactly_once_v2] [--commit-ms N] [--threads N] [--tuned]
 * [--limit-s N]</pre>
 *
 * {@code --steps} is how many records (or words) the app has to process.
 */
public final class Main {
  private Main() {}

  public static void main(String[] words) throws Exception {
    Options options = new Options(words);
    Progress progress = new Progress(options.number("steps", 0));
    Properties properties = properties(options);
    KafkaStreams streams = new KafkaStreams(topology(options, progress, properties), properties);
    streams.setUncaughtExceptionHandler(error -> {
      error.printStackTrace();
      Runtime.getRuntime().halt(3);
      return null;
    });
    Progress.Clock begin = Progress.Clock.now();
    streams.start();
    if (!progress.await(options.number("limit-s", 600))) {
      System.err.println("processed " + progress.seen() + " of " + options.number("steps", 0) + " records in time");
      Runtime.getRuntime().halt(4);
    }
    streams.close();
    print(options, progress, begin, Progress.Clock.now());
    System.exit(0);
  }

  private static Properties properties(Options options) {
    Properties to = new Properties();
    to.put(StreamsConfig.APPLICATION_ID_CONFIG, options.text("application-id"));
    to.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, options.text("bootstrap"));
    to.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, options.text("guarantee", StreamsConfig.AT_LEAST_ONCE));
    to.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, options.number("commit-ms", 100));
    to.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, (int) options.number("threads", 1));
    to.put(StreamsConfig.STATE_DIR_CONFIG, options.text("state-dir"));
    to.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    if (options.flag("tuned")) {
      Tuned.settings(to);
    }
    return to;
  }

  private static Topology topology(Options options, Progress progress, Properties properties) {
    StreamsBuilder builder = new StreamsBuilder();
    Workload.of(options.text("workload")).build(builder, options.text("input"), options.text("output"), progress);
    return builder.build(properties);
  }

  private static void print(Options options, Progress progress, Progress.Clock begin, Progress.Clock end) throws Exception {
    try (Admin admin = Admin.create(Map.<String, Object>of("bootstrap.servers", options.text("bootstrap")))) {
      Map<TopicPartition, Long> input = ends(admin, options.text("input"));
      var committed = admin.listConsumerGroupOffsets(options.text("application-id")).partitionsToOffsetAndMetadata().get();
      boolean all = input.entrySet().stream().allMatch(part -> part.getValue() == 0
          || committed.get(part.getKey()) != null && committed.get(part.getKey()).offset() == part.getValue());
      long out = ends(admin, options.text("output")).values().stream().mapToLong(Long::longValue).sum();
      Progress.Clock half = progress.atHalf();
      System.out.printf(Locale.ROOT,
          "{\"steps\":%d,\"committed\":%b,\"output_offsets\":%d,\"wall_s\":%.3f,\"cpu_s\":%.3f,"
              + "\"second_half\":{\"steps\":%d,\"wall_s\":%.3f,\"cpu_s\":%.3f}}%n",
          progress.seen(), all, out, (end.wall() - begin.wall()) / 1e9, end.cpu() / 1e9,
          progress.afterHalf(), (end.wall() - half.wall()) / 1e9, (end.cpu() - half.cpu()) / 1e9);
    }
  }

  /** The end offset of each partition. */
  private static Map<TopicPartition, Long> ends(Admin admin, String topic) throws Exception {
    int count = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    var latest = IntStream.range(0, count).boxed()
        .collect(Collectors.toMap(part -> new TopicPartition(topic, part), part -> OffsetSpec.latest()));
    return admin.listOffsets(latest).all().get().entrySet().stream()
        .collect(Collectors.toMap(Map.Entry::getKey, part -> part.getValue().offset()));
  }
}
