package millstream.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Arrays;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.state.KeyValueStore;

/** What the app does between its input and its output topic. */
enum Workload {
  PASS_THROUGH {
    @Override
    void build(StreamsBuilder builder, String input, String output, Progress progress) {
      builder.stream(input, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
          .<byte[]>processValues(progress::counter)
          .to(output, Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    }
  },
  JSON {
    @Override
    void build(StreamsBuilder builder, String input, String output, Progress progress) {
      ObjectMapper mapper = new ObjectMapper();
      ObjectReader reader = mapper.readerFor(Bid.class);
      ObjectWriter writer = mapper.writerFor(Bid.class);
      builder.stream(input, Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
          .<byte[]>processValues(progress::counter)
          .mapValues(value -> read(reader, value).converted())
          .filter((key, bid) -> bid.isDear())
          .mapValues(bid -> write(writer, bid))
          .to(output, Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    }
  },
  WORD_COUNT {
    /** What {@code groupBy} comes to, with a step that counts behind the repartition topic. */
    @Override
    void build(StreamsBuilder builder, String input, String output, Progress progress) {
      builder.stream(input, Consumed.with(Serdes.ByteArray(), Serdes.String()))
          .flatMapValues(line -> Arrays.asList(line.split(" ")))
          .selectKey((key, word) -> word)
          .repartition(Repartitioned.with(Serdes.String(), Serdes.String()).withName("words"))
          .<String>processValues(progress::counter)
          .groupByKey(Grouped.with(Serdes.String(), Serdes.String()))
          .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts")
              .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
          .toStream()
          .to(output, Produced.with(Serdes.String(), Serdes.Long()));
    }
  };

  abstract void build(StreamsBuilder builder, String input, String output, Progress progress);

  static Workload of(String name) {
    return valueOf(name.toUpperCase().replace('-', '_'));
  }

  private static Bid read(ObjectReader reader, byte[] value) {
    try {
      return reader.readValue(value);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private static byte[] write(ObjectWriter writer, Bid bid) {
    try {
      return writer.writeValueAsBytes(bid);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }
}
