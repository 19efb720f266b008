SELECT processor_name, run_id, phase, status, started_at, duration_seconds
FROM processor_run_history
-- Events of these days first: looking up the message of every run there is would take long.
WHERE run_id IN (SELECT run_id
                 FROM events
                 WHERE ingest_date >= date(@now / 1000000, 'unixepoch', '-' || @days || ' day')
                   AND trigger_message_id = @message_id)
  AND trigger_message_id = @message_id
ORDER BY started_at, processor_name, run_id, retry_attempt
