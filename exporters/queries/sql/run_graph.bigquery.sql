WITH runs AS (
  SELECT *,
         COALESCE(started_at, TIMESTAMP_SUB(event_time, INTERVAL CAST(TRUNC(duration_seconds * 1000000) AS INT64) MICROSECOND),
                  event_time) AS began_at,
         CONCAT(COALESCE(TO_JSON_STRING(missing_dependencies), ''), COALESCE(TO_JSON_STRING(stale_dependencies), '')) AS unmet
  FROM `{dataset}.runs_between`(DATE_SUB(DATE(@now), INTERVAL @days DAY), DATE '9999-12-31')),
said AS (
  SELECT job_name, run_id, attempt, data_date, began_at, trigger_message_id, parent_job, parent_run_id, output_table
  FROM runs
  WHERE STRPOS(run_id, @run_id) > 0
  ORDER BY began_at DESC, job_name, run_id, attempt DESC
  LIMIT 1)
SELECT relation,
       job_name, run_id, attempt, kind, phase, status, data_date, started_at, duration_seconds,
       trigger_source, trigger_message_id, parent_job, parent_run_id, dependency_check_passed,
       missing_dependencies, stale_dependencies, upstream_dependencies, error_type, error_message,
       alert_sent, alert_type, service, revision
FROM (
  SELECT CASE
           WHEN r.job_name = said.job_name AND r.run_id = said.run_id AND r.attempt = said.attempt THEN 'run'
           WHEN r.job_name = said.job_name AND r.run_id = said.run_id THEN 'attempt'
           WHEN r.run_id = said.parent_run_id
             OR (said.parent_run_id IS NULL AND r.job_name = said.parent_job AND r.began_at <= said.began_at
                 AND (r.trigger_message_id = said.trigger_message_id OR r.data_date = said.data_date)) THEN 'parent'
           WHEN r.parent_run_id = said.run_id
             OR (r.parent_run_id IS NULL AND r.parent_job = said.job_name AND r.began_at >= said.began_at
                 AND (r.trigger_message_id = said.trigger_message_id OR r.data_date = said.data_date)) THEN 'child'
           WHEN NOT r.dependency_check_passed AND r.began_at >= said.began_at
             AND (r.data_date = said.data_date OR r.data_date IS NULL OR said.data_date IS NULL)
             AND (STRPOS(r.unmet, CONCAT('"', said.job_name, '"')) > 0
                  OR STRPOS(r.unmet, CONCAT('"', said.output_table, '"')) > 0
                  OR STRPOS(r.unmet, CONCAT('.', said.output_table, '"')) > 0) THEN 'blocked'
           WHEN r.trigger_message_id = said.trigger_message_id THEN 'sibling'
         END AS relation,
         r.job_name, r.run_id, r.attempt, r.kind, r.phase, r.status, r.data_date, r.started_at, r.duration_seconds,
         r.trigger_source, r.trigger_message_id, r.parent_job, r.parent_run_id, r.dependency_check_passed,
         r.missing_dependencies, r.stale_dependencies, r.upstream_dependencies, r.error_type, r.error_message,
         r.alert_sent, r.alert_type, r.service, r.revision
  FROM runs AS r CROSS JOIN said)
WHERE relation IS NOT NULL
ORDER BY CASE relation
           WHEN 'run' THEN 0 WHEN 'attempt' THEN 1 WHEN 'parent' THEN 2 WHEN 'sibling' THEN 3 WHEN 'child' THEN 4 ELSE 5
         END, started_at, job_name, run_id, attempt
LIMIT @limit
