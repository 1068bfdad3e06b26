package millstream.bench;

import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;

/** Settings that who wants speed would choose: large batches and fetches, a large record cache, a roomy RocksDB. */
final class Tuned {
  private static final long MIB = 1L << 20;

  private Tuned() {}

  static void settings(Properties to) {
    to.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
    to.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256 * MIB);
    to.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Rocks.class);
    to.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 20_000);
    to.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 5);
    to.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), (int) (MIB / 2));
    to.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 256 * MIB);
    to.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
    to.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), (int) (8 * MIB));
    to.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MAX_BYTES_CONFIG), (int) (64 * MIB));
    to.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MIN_BYTES_CONFIG), 1 << 16);
  }

  /** Named by its class, as Kafka Streams wants it. */
  public static final class Rocks implements RocksDBConfigSetter {
    private static final Cache BLOCKS = new LRUCache(256 * MIB);

    @Override
    public void setConfig(String store, Options options, Map<String, Object> configs) {
      var table = (BlockBasedTableConfig) options.tableFormatConfig();
      table.setBlockCache(BLOCKS);
      table.setBlockSize(16 * 1024);
      table.setFilterPolicy(new BloomFilter(10, false));
      options.setTableFormatConfig(table);
      options.setWriteBufferSize(64 * MIB);
      options.setMaxWriteBufferNumber(4);
      options.setMinWriteBufferNumberToMerge(1);
    }

    @Override
    public void close(String store, Options options) {}
  }
}
