package millstream.bench;

import java.lang.management.ManagementFactory;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/** Counts records as they are processed, and notes the clocks when half of them are: by then the code is compiled. */
final class Progress {
  /** CPU time of the whole process (collector, compiler, RocksDB) and time that passed, nanoseconds. */
  record Clock(long cpu, long wall) {
    static Clock now() {
      var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
      return new Clock(system.getProcessCpuTime(), System.nanoTime());
    }
  }

  private final long total;
  private final long half;
  private final AtomicLong seen = new AtomicLong();
  private final CountDownLatch done = new CountDownLatch(1);
  private volatile Clock atHalf;

  Progress(long total) {
    this.total = total;
    this.half = total / 2;
  }

  private void count() {
    long now = seen.incrementAndGet();
    if (now == half) {
      atHalf = Clock.now();
    }
    if (now == total) {
      done.countDown();
    }
  }

  long seen() {
    return seen.get();
  }

  /** The clocks at half of the records, and how many came after. */
  Clock atHalf() {
    return atHalf;
  }

  long afterHalf() {
    return total - half;
  }

  boolean await(long seconds) throws InterruptedException {
    return done.await(seconds, TimeUnit.SECONDS);
  }

  /** A step of the topology that counts what passes. */
  <K, V> FixedKeyProcessor<K, V, V> counter() {
    return new FixedKeyProcessor<>() {
      private FixedKeyProcessorContext<K, V> context;

      @Override
      public void init(FixedKeyProcessorContext<K, V> context) {
        this.context = context;
      }

      @Override
      public void process(FixedKeyRecord<K, V> record) {
        count();
        context.forward(record);
      }
    };
  }
}
