WITH recent AS (SELECT date(@now / 1000000, 'unixepoch', '-' || @days || ' day') AS day),
hit AS (
  SELECT job_name, run_id, attempt
  FROM run_heads
  WHERE run_id IN (SELECT run_id FROM events, recent WHERE ingest_date >= recent.day AND instr(run_id, @run_id) > 0)
  ORDER BY began_at DESC, job_name, run_id, attempt DESC
  LIMIT 1),
-- What its own events name: the way to the others.
named AS MATERIALIZED (
  SELECT MAX(e.parent_run_id) AS parent_run_id, MAX(e.parent_job) AS parent_job,
         MAX(e.trigger_message_id) AS trigger_message_id, hit.job_name, hit.run_id
  FROM hit JOIN events e USING (job_name, run_id, attempt)
  GROUP BY hit.job_name, hit.run_id),
near AS MATERIALIZED (
  SELECT e.job_name, e.run_id, e.attempt, ROW_NUMBER() OVER () AS run
  FROM events e, named, recent
  WHERE e.ingest_date >= recent.day AND e.run_id IS NOT NULL
    AND (e.run_id = named.run_id OR e.run_id = named.parent_run_id OR e.parent_run_id = named.run_id
         OR e.trigger_message_id = named.trigger_message_id OR e.parent_job = named.job_name
         OR e.job_name = named.parent_job OR NOT e.dependency_check_passed)
  GROUP BY e.job_name, e.run_id, e.attempt),
-- Their events, the greatest first: a column is what the first that has it says.
told AS MATERIALIZED (
  SELECT near.run, e.*,
         ROW_NUMBER() OVER (
           ORDER BY CASE WHEN e.status = 'running' THEN 0 WHEN e.source_status = 'stale_running_cleanup' THEN 1 ELSE 2
                    END DESC, e.event_time DESC, COALESCE(e.sequence, 0) DESC, e.event_id DESC, e.rowid) AS place
  FROM near JOIN events e USING (job_name, run_id, attempt)),
runs AS MATERIALIZED (
  SELECT h.job_name, h.run_id, h.attempt, h.kind, h.status, h.data_date, h.started_at, h.duration_seconds, h.began_at,
         (SELECT t.phase FROM told t WHERE t.run = n.run AND t.phase IS NOT NULL ORDER BY t.place LIMIT 1) AS phase,
         (SELECT t.trigger_source FROM told t WHERE t.run = n.run AND t.trigger_source IS NOT NULL ORDER BY t.place LIMIT 1) AS trigger_source,
         (SELECT t.trigger_message_id FROM told t WHERE t.run = n.run AND t.trigger_message_id IS NOT NULL ORDER BY t.place LIMIT 1) AS trigger_message_id,
         (SELECT t.parent_job FROM told t WHERE t.run = n.run AND t.parent_job IS NOT NULL ORDER BY t.place LIMIT 1) AS parent_job,
         (SELECT t.parent_run_id FROM told t WHERE t.run = n.run AND t.parent_run_id IS NOT NULL ORDER BY t.place LIMIT 1) AS parent_run_id,
         (SELECT t.dependency_check_passed FROM told t WHERE t.run = n.run AND t.dependency_check_passed IS NOT NULL ORDER BY t.place LIMIT 1) AS dependency_check_passed,
         (SELECT t.missing_dependencies FROM told t WHERE t.run = n.run AND t.missing_dependencies IS NOT NULL ORDER BY t.place LIMIT 1) AS missing_dependencies,
         (SELECT t.stale_dependencies FROM told t WHERE t.run = n.run AND t.stale_dependencies IS NOT NULL ORDER BY t.place LIMIT 1) AS stale_dependencies,
         (SELECT t.upstream_dependencies FROM told t WHERE t.run = n.run AND t.upstream_dependencies IS NOT NULL ORDER BY t.place LIMIT 1) AS upstream_dependencies,
         (SELECT t.error_type FROM told t WHERE t.run = n.run AND t.error_type IS NOT NULL ORDER BY t.place LIMIT 1) AS error_type,
         (SELECT t.error_message FROM told t WHERE t.run = n.run AND t.error_message IS NOT NULL ORDER BY t.place LIMIT 1) AS error_message,
         (SELECT t.alert_sent FROM told t WHERE t.run = n.run AND t.alert_sent IS NOT NULL ORDER BY t.place LIMIT 1) AS alert_sent,
         (SELECT t.alert_type FROM told t WHERE t.run = n.run AND t.alert_type IS NOT NULL ORDER BY t.place LIMIT 1) AS alert_type,
         (SELECT t.service FROM told t WHERE t.run = n.run AND t.service IS NOT NULL ORDER BY t.place LIMIT 1) AS service,
         (SELECT t.revision FROM told t WHERE t.run = n.run AND t.revision IS NOT NULL ORDER BY t.place LIMIT 1) AS revision,
         (SELECT t.output_table FROM told t WHERE t.run = n.run AND t.output_table IS NOT NULL ORDER BY t.place LIMIT 1) AS output_table
  FROM near n JOIN run_heads h USING (job_name, run_id, attempt)),
related AS (
  SELECT *, COALESCE(missing_dependencies, '') || COALESCE(stale_dependencies, '') AS unmet
  FROM runs)
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
             AND (instr(r.unmet, '"' || said.job_name || '"') > 0
                  OR instr(r.unmet, '"' || said.output_table || '"') > 0
                  OR instr(r.unmet, '.' || said.output_table || '"') > 0) THEN 'blocked'
           WHEN r.trigger_message_id = said.trigger_message_id THEN 'sibling'
         END AS relation,
         r.job_name, r.run_id, r.attempt, r.kind, r.phase, r.status, r.data_date, r.started_at, r.duration_seconds,
         r.trigger_source, r.trigger_message_id, r.parent_job, r.parent_run_id, r.dependency_check_passed,
         r.missing_dependencies, r.stale_dependencies, r.upstream_dependencies, r.error_type, r.error_message,
         r.alert_sent, r.alert_type, r.service, r.revision
  FROM related r, (SELECT runs.* FROM runs JOIN hit USING (job_name, run_id, attempt)) said)
WHERE relation IS NOT NULL
ORDER BY CASE relation
           WHEN 'run' THEN 0 WHEN 'attempt' THEN 1 WHEN 'parent' THEN 2 WHEN 'sibling' THEN 3 WHEN 'child' THEN 4 ELSE 5
         END, started_at, job_name, run_id, attempt
LIMIT @limit
