DELETE FROM background_service_jobs WHERE id IN (SELECT value FROM json_each(?)) AND status <> 'RUNNING'
