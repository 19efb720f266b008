WITH expected AS (
  SELECT event_id, workflow_name, expected_run_time, reason AS expected_reason
  FROM daily_expected_schedule
  WHERE "date" = @date
),
actual AS (
  SELECT event_id, workflow_name, decision_time AS actual_run_time, reason AS actual_reason
  FROM workflow_decisions
  WHERE decision_time >= @day_start
    AND decision_time < @day_end
    AND "action" = 'RUN'
),
-- Each expectation with the decision nearest to it, where it is nearest to that one too: no decision counts twice.
near AS (
  SELECT expected.event_id AS expected_id, actual_run_time, actual_reason,
         ROW_NUMBER() OVER (PARTITION BY expected.event_id
                            ORDER BY ABS(actual_run_time - expected_run_time), actual.event_id) AS of_expected,
         ROW_NUMBER() OVER (PARTITION BY actual.event_id
                            ORDER BY ABS(actual_run_time - expected_run_time), expected.event_id) AS of_actual
  FROM expected
  JOIN actual ON actual.workflow_name = expected.workflow_name
  WHERE ABS(actual_run_time - expected_run_time) / 60000000 < 60
)
SELECT expected.workflow_name,
       strftime('%H:%M', (expected_run_time + CASE WHEN expected_run_time < @clock_changes_at THEN @clock_offset
                                      ELSE @clock_offset_after END) / 1000000, 'unixepoch') AS expected_time,
       strftime('%H:%M', (actual_run_time + CASE WHEN actual_run_time < @clock_changes_at THEN @clock_offset
                                      ELSE @clock_offset_after END) / 1000000, 'unixepoch') AS actual_time,
       CASE
         WHEN actual_run_time IS NULL THEN 'MISSING'
         WHEN (actual_run_time - expected_run_time) / 60000000 > 30 THEN 'LATE'
         ELSE 'ON TIME'
       END AS status,
       expected_reason,
       actual_reason
FROM expected
LEFT JOIN near ON near.expected_id = expected.event_id AND of_expected = 1 AND of_actual = 1
ORDER BY expected.expected_run_time, expected.workflow_name, expected.event_id
