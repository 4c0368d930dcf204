-- lock-guard-install.sql: keeps the DLM plugin of Foreman from giving one lock to two hosts, and from making two locks
-- of one name. To the database of Foreman it adds a trigger, which lets nobody overwrite the holder of a lock with
-- another, and a unique index. docs/foreman-database.md says what that changes, and what it does not close.
--
--   psql -X -v ON_ERROR_STOP=1 -d foreman -f lock-guard-install.sql
--
-- Runs as the owner of the table dlmlocks (foreman) or as a superuser (postgres), on the primary, while Foreman works.
-- It changes everything or nothing. What is there already stays; what is disabled, invalid or of another version is
-- made anew. Exit codes of psql: 0 the guard is complete, 3 refused (nothing was changed), 2 no connection.
-- Needs PostgreSQL 11 or newer.
\set ON_ERROR_STOP on
\set QUIET on
\set SHOW_CONTEXT never
BEGIN;
-- Requests that write a lock queue up behind this transaction. Rather than hold them up, it gives up: also if psql is
-- stopped halfway, or its network breaks.
SET LOCAL lock_timeout = '3s';
SET LOCAL idle_in_transaction_session_timeout = '5s';
-- Nothing that a user of the database has created takes the place of PostgreSQL's own functions.
SET LOCAL search_path = pg_catalog;
SET LOCAL foreman_dlm_updater.changed = 'no';

DO $$ -- Is this Foreman's database, and may we change it?
DECLARE
    tables regclass[] := ARRAY(SELECT oid FROM pg_class WHERE relname = 'dlmlocks' AND relkind = 'r'
        AND relpersistence = 'p' ORDER BY oid);
    locks regclass := tables[1];
    owner regrole := (SELECT relowner FROM pg_class WHERE oid = locks);
    missing text := (SELECT string_agg(wanted, ', ' ORDER BY wanted)
        FROM unnest('{id,type,name,enabled,host_id,created_at,updated_at}'::text[]) wanted
        WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = locks AND attname = wanted AND NOT attisdropped));
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'this server is a standby, which can''t be changed'
            USING HINT = 'Run this on its primary. The guard comes over with the replication.';
    ELSIF locks IS NULL THEN
        RAISE EXCEPTION 'the database % has no table dlmlocks', current_database()
            USING HINT = 'Is this Foreman''s database, and is the DLM plugin installed?';
    ELSIF cardinality(tables) > 1 THEN
        RAISE EXCEPTION 'the database % has several tables dlmlocks: %', current_database(), tables
            USING HINT = 'This guard does not know which one is Foreman''s.';
    ELSIF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the table % in the database % lacks columns: %', locks, current_database(), missing
            USING HINT = 'Is this Foreman''s database? The guard is for the DLM plugin 1.1 to 4.0.';
    ELSIF NOT pg_has_role(owner, 'USAGE') THEN
        RAISE EXCEPTION '% may not change the table %', current_user, locks
            USING HINT = format('Run this as its owner, %s, or as a superuser.', owner);
    END IF;
    PERFORM set_config('foreman_dlm_updater.locks', locks::text, true);
    -- Nobody writes to the table from here to the end, which is milliseconds away. Reading goes on.
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', locks);
END $$;

DO $$ -- Is anything in the way?
DECLARE
    locks regclass := current_setting('foreman_dlm_updater.locks');
    space regnamespace := (SELECT relnamespace FROM pg_class WHERE oid = locks);
    fn pg_proc;
    tg pg_trigger;
    ix pg_class;
    duplicates text;
BEGIN
    SELECT * INTO fn FROM pg_proc WHERE proname = 'dlmlock_one_holder' AND pronamespace = space AND pronargs = 0;
    IF fn.prosrc NOT LIKE '%, which has to release it first%' THEN
        RAISE EXCEPTION 'there is another function dlmlock_one_holder() in the schema %', space
            USING HINT = 'It is not part of this guard. Rename it, or drop it.';
    END IF;
    SELECT * INTO tg FROM pg_trigger WHERE tgrelid = locks AND tgname = 'dlmlock_one_holder';
    IF tg.tgfoid IS DISTINCT FROM fn.oid AND tg.tgfoid IS NOT NULL THEN
        RAISE EXCEPTION 'there is another trigger dlmlock_one_holder on the table %', locks
            USING HINT = format('It calls %s, and is not part of this guard. Rename it, or drop it.',
                tg.tgfoid::regprocedure);
    END IF;
    SELECT * INTO ix FROM pg_class WHERE relname = 'dlmlocks_one_of_a_name' AND relnamespace = space;
    IF ix.oid IS NOT NULL AND pg_get_indexdef(ix.oid) IS DISTINCT FROM
            format('CREATE UNIQUE INDEX dlmlocks_one_of_a_name ON %s USING btree (type, name)', locks) THEN
        RAISE EXCEPTION 'there is something else called dlmlocks_one_of_a_name in the schema %', space
            USING HINT = 'It is not part of this guard. Rename it, or drop it.';
    END IF;

    EXECUTE format($query$
        SELECT string_agg(format('id %%s: %%s, %%s, %%s, created %%s, updated %%s', id,
            regexp_replace(name, '[[:cntrl:]]', '?', 'g'), -- any host can choose a name, and this is for a terminal
            coalesce('held by host ' || host_id, 'free'), CASE WHEN enabled THEN 'enabled' ELSE 'disabled' END,
            created_at::timestamp(0), updated_at::timestamp(0)), E'\n' ORDER BY name, id)
        FROM (SELECT *, count(*) OVER (PARTITION BY name) AS of_this_name FROM %s) locks WHERE of_this_name > 1
        $query$, locks) INTO duplicates;
    IF duplicates IS NOT NULL THEN
        RAISE EXCEPTION 'there are several locks of one name, which nobody can take'
            USING DETAIL = duplicates, HINT = 'Keep one of each name, the one that is held, and delete the others. '
                'docs/foreman-database.md says how. Then run this again.';
    END IF;
END $$;

DO $$ -- The function
DECLARE
    locks regclass := current_setting('foreman_dlm_updater.locks');
    space regnamespace := (SELECT relnamespace FROM pg_class WHERE oid = locks);
    owner regrole := (SELECT relowner FROM pg_class WHERE oid = locks);
    -- When two updates of one row meet, OLD is the row as the first one has left it, whatever the second one has read
    -- before it began. lock-guard-check.sql has the same text.
    body constant text := $body$
BEGIN -- of foreman-dlm-updater: see its docs/foreman-database.md
    IF OLD.host_id IS NOT NULL AND NEW.host_id IS NOT NULL AND OLD.host_id <> NEW.host_id THEN
        RAISE EXCEPTION 'lock % is held by host %, which has to release it first', OLD.name, OLD.host_id
            USING ERRCODE = 'serialization_failure';
    END IF;
    RETURN NEW;
END $body$;
    fn pg_proc;
BEGIN
    SELECT * INTO fn FROM pg_proc WHERE proname = 'dlmlock_one_holder' AND pronamespace = space AND pronargs = 0;
    IF fn.prosrc = body AND fn.proconfig = '{"search_path=pg_catalog, pg_temp"}' AND fn.proowner = owner THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE OR REPLACE FUNCTION %s.dlmlock_one_holder() RETURNS trigger LANGUAGE plpgsql '
        'SET search_path = pg_catalog, pg_temp AS %L', space, body);
    -- The owner of the table can't restore a dump in which the function is a superuser's.
    EXECUTE format('ALTER FUNCTION %s.dlmlock_one_holder() OWNER TO %s', space, owner);
    RAISE INFO '% the function %.dlmlock_one_holder()',
        CASE WHEN fn.oid IS NULL THEN 'created' ELSE 'replaced' END, space;
    PERFORM set_config('foreman_dlm_updater.changed', 'yes', true);
END $$;

DO $$ -- The trigger
DECLARE
    locks regclass := current_setting('foreman_dlm_updater.locks');
    space regnamespace := (SELECT relnamespace FROM pg_class WHERE oid = locks);
    tg pg_trigger;
BEGIN
    SELECT * INTO tg FROM pg_trigger WHERE tgrelid = locks AND tgname = 'dlmlock_one_holder';
    IF tg.tgenabled IN ('O', 'A') AND tg.tgtype = 1 | 2 | 16 AND tg.tgqual IS NULL -- for each row, before, update
            AND tg.tgattr::text = (SELECT attnum::text FROM pg_attribute
                WHERE attrelid = locks AND attname = 'host_id') THEN
        RETURN;
    END IF;
    IF tg.oid IS NOT NULL THEN
        EXECUTE format('DROP TRIGGER dlmlock_one_holder ON %s', locks);
    END IF;
    EXECUTE format('CREATE TRIGGER dlmlock_one_holder BEFORE UPDATE OF host_id ON %s FOR EACH ROW '
        'EXECUTE FUNCTION %s.dlmlock_one_holder()', locks, space);
    RAISE INFO '% the trigger dlmlock_one_holder on %',
        CASE WHEN tg.oid IS NULL THEN 'created' ELSE 'replaced' END, locks;
    PERFORM set_config('foreman_dlm_updater.changed', 'yes', true);
END $$;

DO $$ -- The index
DECLARE
    locks regclass := current_setting('foreman_dlm_updater.locks');
    space regnamespace := (SELECT relnamespace FROM pg_class WHERE oid = locks);
    valid boolean := (SELECT indisvalid AND indisready AND indislive FROM pg_index JOIN pg_class ON oid = indexrelid
        WHERE relname = 'dlmlocks_one_of_a_name' AND relnamespace = space);
BEGIN
    IF valid THEN
        RETURN;
    ELSIF valid IS NOT NULL THEN
        EXECUTE format('DROP INDEX %s.dlmlocks_one_of_a_name', space);
    END IF;
    EXECUTE format('CREATE UNIQUE INDEX dlmlocks_one_of_a_name ON %s (type, name)', locks);
    RAISE INFO '% the index %.dlmlocks_one_of_a_name',
        CASE WHEN valid IS NULL THEN 'created' ELSE 'replaced' END, space;
    PERFORM set_config('foreman_dlm_updater.changed', 'yes', true);
END $$;

DO $$
BEGIN
    RAISE INFO 'the guard is complete in the database %', current_database() ||
        CASE current_setting('foreman_dlm_updater.changed') WHEN 'no' THEN '; nothing had to be changed' ELSE '' END;
END $$;
COMMIT;
