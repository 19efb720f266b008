package dev.runledger.bench;

import dev.runledger.v1.Status;
import java.nio.ByteBuffer;

/**
 * What the job store holds of a job: its counters, the newest times, and a histogram of durations in powers of two. No
 * windows, no days, no staleness: runledger's fold keeps those too.
 */
final class JobRecord {
  private static final int STATUSES = 8;
  private static final int BUCKETS = 16;
  private static final int EVENTS = 0;
  private static final int STARTED = 8;
  private static final int RUNNING = 16;
  private static final int CONSECUTIVE_FAILURES = 24;
  private static final int LAST_EVENT = 32;
  private static final int LAST_SUCCESS = 40;
  private static final int LAST_FAILURE = 48;
  private static final int LAST_DURATION = 56;
  private static final int FINISHED = 64;
  private static final int HISTOGRAM = FINISHED + 8 * STATUSES;
  static final int SIZE = HISTOGRAM + 8 * BUCKETS;

  private final byte[] bytes;
  private final ByteBuffer record;

  /** A copy to change: the store may still hold the bytes. */
  JobRecord(byte[] held) {
    bytes = held == null ? new byte[SIZE] : held.clone();
    record = ByteBuffer.wrap(bytes);
  }

  byte[] bytes() {
    return bytes;
  }

  void seen(long timeUs) {
    add(EVENTS, 1);
    raise(LAST_EVENT, timeUs);
  }

  void started() {
    add(STARTED, 1);
    add(RUNNING, 1);
  }

  /** A run ended; `wasRunning`: it was counted as running. */
  void finished(int status, long timeUs, double seconds, boolean wasRunning) {
    if (wasRunning) {
      add(RUNNING, -1);
    } else {
      add(STARTED, 1);
    }
    add(FINISHED + 8 * status, 1);
    if (status == Status.FAILED_VALUE || status == Status.ABORTED_VALUE) {
      add(CONSECUTIVE_FAILURES, 1);
      raise(LAST_FAILURE, timeUs);
    } else {
      record.putLong(CONSECUTIVE_FAILURES, 0);
      raise(LAST_SUCCESS, timeUs);
    }
    record.putDouble(LAST_DURATION, seconds);
    int bucket = Math.max(0, Math.min(BUCKETS - 1, Math.getExponent(seconds) + 4));
    add(HISTOGRAM + 8 * bucket, 1);
  }

  private void add(int at, long by) {
    record.putLong(at, record.getLong(at) + by);
  }

  private void raise(int at, long to) {
    if (to > record.getLong(at)) {
      record.putLong(at, to);
    }
  }
}
