package dev.runledger.bench;

import com.google.protobuf.InvalidProtocolBufferException;
import com.sun.management.OperatingSystemMXBean;
import dev.runledger.v1.Event;
import dev.runledger.v1.RunEvent;
import dev.runledger.v1.Status;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The fold of run events as one writes it for Kafka Streams, so that runledger can be measured beside it.
 *
 * <p>Each event: parse the protobuf, look up its run, apply the status, put the run back, count for its job. It does less
 * than runledger (no windows, no day table, no deadlines, no rows, no page of metrics), and it is spared what it could be
 * spared: byte stores without serdes of their own, records of fixed places, the run id as the key, caches where they were
 * measured to pay, large producer batches. Changelogs are on, as they are by default: without them a restart forgets
 * everything.
 *
 * <p>Arguments: brokers, topic, memory or rocksdb, events in the topic, events to warm up on, state directory. Prints one
 * line: events, seconds of processor time (user and system, all threads of this process) and of wall time, from the end
 * of the warm-up until the last event is folded; then runs and jobs, which have to be what the topic holds.
 */
public final class Peer {
  private static final String RUNS = "runs";
  private static final String JOBS = "jobs";
  private static final LongAdder EVENTS = new LongAdder();
  private static final LongAdder STARTED = new LongAdder();
  private static final LongAdder FINISHED = new LongAdder();

  private Peer() {}

  private static final class Fold implements Processor<byte[], byte[], Void, Void> {
    private KeyValueStore<byte[], byte[]> runs;
    private KeyValueStore<byte[], byte[]> jobs;

    @Override
    public void init(ProcessorContext<Void, Void> context) {
      runs = context.getStateStore(RUNS);
      jobs = context.getStateStore(JOBS);
    }

    @Override
    public void process(Record<byte[], byte[]> message) {
      final Event event;
      try {
        event = Event.parseFrom(message.value());
      } catch (InvalidProtocolBufferException e) {
        throw new IllegalStateException(e);
      }
      fold(event);
      EVENTS.increment();
    }

    private void fold(Event event) {
      RunEvent run = event.getRun();
      byte[] jobKey = run.getJobName().getBytes(StandardCharsets.UTF_8);
      JobRecord job = new JobRecord(jobs.get(jobKey));
      job.seen(event.getEventTimeUs());
      byte[] runKey = RunRecord.key(run);
      byte[] held = runs.get(runKey);
      if (held == null || RunRecord.isNews(held, event)) {
        byte[] now = RunRecord.after(held, event);
        runs.put(runKey, now);
        boolean wasRunning = held != null && RunRecord.status(held) == Status.RUNNING_VALUE;
        boolean running = run.getStatus() == Status.RUNNING;
        if (held == null && running) {
          job.started();
        }
        if (!running && (held == null || wasRunning)) {
          job.finished(run.getStatusValue(), event.getEventTimeUs(), RunRecord.duration(now), wasRunning);
          FINISHED.increment();
        }
        if (held == null) {
          STARTED.increment();
        }
      }
      jobs.put(jobKey, job.bytes());
    }
  }

  /**
   * A cache spares the changelog of a job all but the last of many changes. For runs, whose events lie far apart, it pays
   * where it stands before RocksDB, and costs more than it saves where it stands before a map in memory.
   */
  private static StoreBuilder<KeyValueStore<byte[], byte[]>> store(String name, boolean rocksDb) {
    KeyValueBytesStoreSupplier supplier =
        rocksDb ? Stores.persistentKeyValueStore(name) : Stores.inMemoryKeyValueStore(name);
    StoreBuilder<KeyValueStore<byte[], byte[]>> builder =
        Stores.keyValueStoreBuilder(supplier, Serdes.ByteArray(), Serdes.ByteArray());
    boolean cached = rocksDb || name.equals(JOBS);
    return cached ? builder.withCachingEnabled() : builder;
  }

  private static Properties settings(String brokers, String application, String stateDirectory) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, stateDirectory);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.FETCH_MIN_BYTES_CONFIG), 1 << 16);
    settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 1 << 18);
    return settings;
  }

  private static void waitFor(long events, AtomicReference<Throwable> failure) throws InterruptedException {
    while (EVENTS.sum() < events) {
      if (failure.get() != null) {
        throw new IllegalStateException(failure.get());
      }
      Thread.sleep(2);
    }
  }

  public static void main(String[] arguments) throws InterruptedException {
    boolean rocksDb = arguments[2].equals("rocksdb");
    long events = Long.parseLong(arguments[3]);
    long warmUp = Long.parseLong(arguments[4]);
    Topology topology = new Topology();
    topology
        .addSource("events", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), arguments[1])
        .addProcessor("fold", Fold::new, "events")
        .addStateStore(store(RUNS, rocksDb), "fold")
        .addStateStore(store(JOBS, rocksDb), "fold");
    String application = "kafka-streams-peer-" + Long.toHexString(System.nanoTime());
    AtomicReference<Throwable> failure = new AtomicReference<>();
    var process = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    try (KafkaStreams streams = new KafkaStreams(topology, settings(arguments[0], application, arguments[5]))) {
      streams.setUncaughtExceptionHandler(
          exception -> {
            failure.set(exception);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
          });
      streams.start();
      waitFor(warmUp, failure);
      long first = EVENTS.sum();
      long cpu = process.getProcessCpuTime();
      long wall = System.nanoTime();
      waitFor(events, failure);
      cpu = process.getProcessCpuTime() - cpu;
      wall = System.nanoTime() - wall;
      System.out.printf(
          Locale.ROOT,
          "events %d cpu_seconds %.3f wall_seconds %.3f started %d finished %d%n",
          EVENTS.sum() - first, cpu / 1e9, wall / 1e9, STARTED.sum(), FINISHED.sum());
      streams.close(Duration.ofSeconds(60));
    }
  }
}
