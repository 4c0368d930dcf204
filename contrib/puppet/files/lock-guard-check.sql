-- lock-guard-check.sql: says whether the guard of lock-guard-install.sql is complete. Reads only; any role that may
-- connect can run it, also on a standby.
--
--   psql -X -v ON_ERROR_STOP=1 -d foreman -f lock-guard-check.sql                is it complete?
--   psql -X -v ON_ERROR_STOP=1 -v absent=yes -d foreman -f lock-guard-check.sql     is nothing of it there?
--
-- Exit codes of psql: 0 yes, 3 no (and what is missing, or there), 2 no connection.
\set ON_ERROR_STOP on
\set QUIET on
\set SHOW_CONTEXT never
\if :{?absent}
\else
    \set absent no
\endif
BEGIN READ ONLY;
SET LOCAL search_path = pg_catalog;
SELECT set_config('foreman_dlm_updater.absent', :'absent', true) \g /dev/null

DO $$
DECLARE
    body constant text := $body$
BEGIN -- of foreman-dlm-updater: see its docs/foreman-database.md
    IF OLD.host_id IS NOT NULL AND NEW.host_id IS NOT NULL AND OLD.host_id <> NEW.host_id THEN
        RAISE EXCEPTION 'lock % is held by host %, which has to release it first', OLD.name, OLD.host_id
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
END $body$;
    absent constant boolean := current_setting('foreman_dlm_updater.absent');
    locks constant regclass := (SELECT min(oid) FROM pg_class
        WHERE relname = 'dlmlocks' AND relkind = 'r' AND relpersistence = 'p');
    fn pg_proc;
    tg pg_trigger;
    ix pg_index;
    there text;
    missing text;
BEGIN
    SELECT * INTO fn FROM pg_proc WHERE proname = 'dlmlock_one_holder' AND pronargs = 0
        AND prosrc LIKE '%, which has to release it first%' ORDER BY oid LIMIT 1;
    SELECT * INTO tg FROM pg_trigger WHERE tgname = 'dlmlock_one_holder' AND tgfoid = fn.oid;
    SELECT pg_index.* INTO ix FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE relname = 'dlmlocks_one_of_a_name' AND pg_get_indexdef(indexrelid)
            = format('CREATE UNIQUE INDEX dlmlocks_one_of_a_name ON %s USING btree (type, name)', indrelid::regclass);

    there := concat_ws(', ',
        CASE WHEN fn.oid IS NOT NULL THEN 'the function dlmlock_one_holder()' END,
        CASE WHEN tg.oid IS NOT NULL THEN 'the trigger dlmlock_one_holder' END,
        CASE WHEN ix.indexrelid IS NOT NULL THEN 'the index dlmlocks_one_of_a_name' END);
    missing := concat_ws(', ',
        CASE WHEN fn.oid IS NULL THEN 'there is no function dlmlock_one_holder()'
            WHEN fn.prosrc <> body OR fn.proconfig IS DISTINCT FROM '{"search_path=pg_catalog, pg_temp"}'
                THEN 'the function dlmlock_one_holder() is of another version' END,
        CASE WHEN tg.oid IS NULL OR tg.tgrelid <> locks THEN 'there is no trigger dlmlock_one_holder'
            WHEN tg.tgtype <> 1 | 2 | 16 OR tg.tgqual IS NOT NULL OR tg.tgattr::text <> (SELECT attnum::text
                FROM pg_attribute WHERE attrelid = locks AND attname = 'host_id')
                THEN 'the trigger dlmlock_one_holder is of another version'
            WHEN tg.tgenabled NOT IN ('O', 'A') THEN 'the trigger dlmlock_one_holder is disabled' END,
        CASE WHEN ix.indexrelid IS NULL OR ix.indrelid <> locks THEN 'there is no index dlmlocks_one_of_a_name'
            WHEN NOT (ix.indisvalid AND ix.indisready AND ix.indislive)
                THEN 'the index dlmlocks_one_of_a_name is invalid' END);

    IF absent AND there <> '' THEN
        RAISE EXCEPTION 'of the guard, the database % has: %', current_database(), there
            USING HINT = 'lock-guard-remove.sql removes it.';
    ELSIF absent THEN
        RAISE INFO 'nothing of the guard is in the database %', current_database();
    ELSIF locks IS NULL THEN
        RAISE EXCEPTION 'the database % has no table dlmlocks', current_database()
            USING HINT = 'Is this Foreman''s database, and is the DLM plugin installed?';
    ELSIF missing <> '' THEN
        RAISE EXCEPTION 'the guard is not complete in the database %: %', current_database(), missing
            USING HINT = 'lock-guard-install.sql makes it complete.';
    ELSE
        RAISE INFO 'the guard is complete in the database %', current_database();
    END IF;
END $$;
ROLLBACK;
