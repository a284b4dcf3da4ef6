-- Where a server has no notices, or is to be spared them, none is given by an insert either: ALTER DATABASE … SET
-- windlass.hints = 'off'.
CREATE OR REPLACE FUNCTION windlass_ring() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('windlass.' || TG_TABLE_SCHEMA, 'work')
    WHERE current_setting('windlass.hints', true) IS DISTINCT FROM 'off';
    RETURN NULL;
END $$;
DO $$
BEGIN
    EXECUTE replace(
        pg_get_functiondef('windlass_queue_adopt'::regproc),
        $old$pg_notify('windlass.' || TG_TABLE_SCHEMA, 'work');$old$,
        $new$pg_notify('windlass.' || TG_TABLE_SCHEMA, 'work')
        WHERE current_setting('windlass.hints', true) IS DISTINCT FROM 'off';$new$
    );
END $$;
