package dev.runledger.bench;

import dev.runledger.v1.Event;
import dev.runledger.v1.RunEvent;
import dev.runledger.v1.Status;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * What the run store holds: 42 bytes of fixed places, read and written without an object of its own for each field. The
 * key is the run id and the attempt; runledger's own has the job's name in it too.
 */
final class RunRecord {
  static final int SIZE = 42;
  private static final int STATUS = 0;
  private static final int START_KNOWN = 1;
  private static final int EVENT_TIME = 2;
  private static final int SEQUENCE = 10;
  private static final int START = 18;
  private static final int DURATION = 26;
  private static final int DATA_DATE = 34;
  private static final int ATTEMPT = 38;

  private RunRecord() {}

  static byte[] key(RunEvent run) {
    byte[] id = run.getRunId().getBytes(StandardCharsets.UTF_8);
    byte[] key = new byte[id.length + 4];
    System.arraycopy(id, 0, key, 0, id.length);
    ByteBuffer.wrap(key).putInt(id.length, run.getAttempt());
    return key;
  }

  /** The run after this event; `before` is null for a run that was not known. */
  static byte[] after(byte[] before, Event event) {
    RunEvent run = event.getRun();
    byte[] bytes = before == null ? new byte[SIZE] : before.clone();
    ByteBuffer record = ByteBuffer.wrap(bytes);
    record.put(STATUS, (byte) run.getStatusValue());
    record.putLong(EVENT_TIME, event.getEventTimeUs());
    record.putLong(SEQUENCE, event.getSequence());
    if (run.hasStartedAtUs()) {
      record.put(START_KNOWN, (byte) 1).putLong(START, run.getStartedAtUs());
    } else if (before == null && run.getStatus() == Status.RUNNING) {
      record.put(START_KNOWN, (byte) 1).putLong(START, event.getEventTimeUs());
    }
    if (run.hasDurationSeconds()) {
      record.putDouble(DURATION, run.getDurationSeconds());
    } else if (run.getStatus() != Status.RUNNING && record.get(START_KNOWN) != 0) {
      record.putDouble(DURATION, (event.getEventTimeUs() - record.getLong(START)) / 1e6);
    }
    record.putInt(DATA_DATE, run.getDataDate());
    record.putInt(ATTEMPT, run.getAttempt());
    return bytes;
  }

  /**
   * Whether the event is greater than what is held: a terminal beats "running", then the event time decides, then the
   * sequence. An event that is not changes nothing.
   */
  static boolean isNews(byte[] held, Event event) {
    ByteBuffer record = ByteBuffer.wrap(held);
    boolean terminal = event.getRun().getStatus() != Status.RUNNING;
    boolean heldTerminal = record.get(STATUS) != Status.RUNNING_VALUE;
    if (terminal != heldTerminal) {
      return terminal;
    }
    int time = Long.compare(event.getEventTimeUs(), record.getLong(EVENT_TIME));
    return time != 0 ? time > 0 : event.getSequence() > record.getLong(SEQUENCE);
  }

  static int status(byte[] record) {
    return record[STATUS];
  }

  static double duration(byte[] record) {
    return ByteBuffer.wrap(record).getDouble(DURATION);
  }
}
