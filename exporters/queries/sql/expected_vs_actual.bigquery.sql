WITH expected AS (
  SELECT event_id, workflow_name, expected_run_time, reason AS expected_reason
  FROM `{dataset}.daily_expected_schedule_between`(DATE_SUB(@date, INTERVAL @days_ahead DAY), DATE '9999-12-31')
  WHERE date = @date
),
actual AS (
  SELECT event_id, workflow_name, decision_time AS actual_run_time, reason AS actual_reason
  FROM `{dataset}.workflow_decisions_between`(DATE_SUB(@date, INTERVAL 1 DAY), DATE '9999-12-31')
  WHERE DATE(decision_time, @zone) = @date
    AND action = 'RUN'
),
-- Each expectation with the decision nearest to it, where it is nearest to that one too: no decision counts twice.
near AS (
  SELECT expected.event_id AS expected_id, actual_run_time, actual_reason,
         ROW_NUMBER() OVER (PARTITION BY expected.event_id
                            ORDER BY ABS(TIMESTAMP_DIFF(actual_run_time, expected_run_time, MICROSECOND)),
                                     actual.event_id) AS of_expected,
         ROW_NUMBER() OVER (PARTITION BY actual.event_id
                            ORDER BY ABS(TIMESTAMP_DIFF(actual_run_time, expected_run_time, MICROSECOND)),
                                     expected.event_id) AS of_actual
  FROM expected
  JOIN actual ON actual.workflow_name = expected.workflow_name
  WHERE DIV(ABS(TIMESTAMP_DIFF(actual_run_time, expected_run_time, MICROSECOND)), 60000000) < 60
)
SELECT expected.workflow_name,
       FORMAT_TIMESTAMP('%H:%M', expected_run_time, @zone) AS expected_time,
       FORMAT_TIMESTAMP('%H:%M', actual_run_time, @zone) AS actual_time,
       CASE
         WHEN actual_run_time IS NULL THEN 'MISSING'
         WHEN DIV(TIMESTAMP_DIFF(actual_run_time, expected_run_time, MICROSECOND), 60000000) > 30 THEN 'LATE'
         ELSE 'ON TIME'
       END AS status,
       expected_reason,
       actual_reason
FROM expected
LEFT JOIN near ON near.expected_id = expected.event_id AND of_expected = 1 AND of_actual = 1
ORDER BY expected.expected_run_time, expected.workflow_name, expected.event_id
