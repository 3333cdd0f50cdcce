-- Version 1 of the schema. A later version is a file of its own: this one never changes.

-- One row: the version, and the epoch that new sessions begin with, later than that of any session that was deleted.
CREATE TABLE conversant_schema (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    version bigint NOT NULL,
    epoch bigint NOT NULL DEFAULT 0
);
INSERT INTO conversant_schema (version) VALUES (1);

-- Whoever changes a session holds its row. `cleared`: it was emptied since it began.
CREATE TABLE conversant_sessions (
    key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    epoch bigint NOT NULL,
    cleared boolean NOT NULL DEFAULT false,
    messages bigint NOT NULL DEFAULT 0,
    expires timestamptz
) WITH (fillfactor = 70);

-- A turn is one row, so that half a turn can't be. `first` is the index of its first message in the session. `appended` is for
-- people: order is `first`, never time. Messages are text and not jsonb, which refuses NUL and forgets the order of keys.
CREATE TABLE conversant_turns (
    session bigint NOT NULL REFERENCES conversant_sessions ON DELETE CASCADE,
    first bigint NOT NULL,
    count integer NOT NULL CHECK (count > 0),
    id uuid NOT NULL,
    bytes bigint NOT NULL,
    incomplete boolean NOT NULL,
    base_epoch bigint,
    base_messages bigint,
    appended timestamptz NOT NULL DEFAULT clock_timestamp(),
    messages text[] NOT NULL,
    PRIMARY KEY (session, first),
    UNIQUE (session, id)
);

CREATE TABLE conversant_notes (
    session bigint NOT NULL REFERENCES conversant_sessions ON DELETE CASCADE,
    name bytea NOT NULL,
    covers_epoch bigint NOT NULL,
    covers_messages bigint NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (session, name)
);

CREATE TABLE conversant_leases (
    session text COLLATE "C" PRIMARY KEY,
    holder uuid NOT NULL,
    expires timestamptz NOT NULL
);

-- Empties a session whose row the caller holds, and starts an epoch.
CREATE FUNCTION conversant_empty(held bigint) RETURNS conversant_sessions LANGUAGE plpgsql AS $$
DECLARE
    emptied conversant_sessions;
BEGIN
    DELETE FROM conversant_turns WHERE session = held;
    DELETE FROM conversant_notes WHERE session = held;
    UPDATE conversant_sessions SET epoch = epoch + 1, cleared = true, messages = 0, expires = NULL
        WHERE key = held RETURNING * INTO emptied;
    RETURN emptied;
END
$$;

-- Finds a session, or begins it, and holds its row until the transaction ends. One whose time is up is empty.
CREATE FUNCTION conversant_hold(wanted text, OUT held conversant_sessions, OUT is_new boolean) LANGUAGE plpgsql AS $$
DECLARE
    least_epoch bigint;
BEGIN
    LOOP
        SELECT * INTO held FROM conversant_sessions WHERE id = wanted FOR UPDATE;
        IF FOUND THEN
            is_new := false;
            IF held.expires <= clock_timestamp() THEN
                held := conversant_empty(held.key);
            END IF;
            RETURN;
        END IF;
        -- A session of this name may be on its way out. Whoever deletes it holds this row first.
        SELECT epoch INTO least_epoch FROM conversant_schema FOR SHARE;
        INSERT INTO conversant_sessions (id, epoch) VALUES (wanted, least_epoch)
            ON CONFLICT (id) DO NOTHING RETURNING * INTO held;
        IF FOUND THEN
            is_new := true;
            RETURN;
        END IF;
    END LOOP;
END
$$;

-- Appends a turn, unless it is there. `expect`: 0 nothing, 1 the epoch, 2 the epoch and the number of messages.
CREATE FUNCTION conversant_append(
    wanted text, turn uuid, expect smallint, seen_epoch bigint, seen_messages bigint,
    parts text[], size bigint, cut_off boolean, base_epoch bigint, base_messages bigint, lifetime_ms bigint,
    OUT is_stale boolean, OUT epoch bigint, OUT messages bigint
) LANGUAGE plpgsql AS $$
DECLARE
    h record;
    s conversant_sessions;
    saw_nothing boolean;
BEGIN
    SELECT * INTO h FROM conversant_hold(wanted);
    s := h.held;
    is_stale := false;
    epoch := s.epoch;
    SELECT t.first + t.count INTO messages FROM conversant_turns t WHERE t.session = s.key AND t.id = turn;
    IF FOUND THEN
        RETURN;
    END IF;
    messages := s.messages;
    -- Whoever saw nothing expects nothing of a session that was begun since, unless it was emptied.
    saw_nothing := seen_messages = 0 AND NOT s.cleared AND seen_epoch <= s.epoch;
    is_stale := expect > 0 AND seen_epoch <> s.epoch AND NOT saw_nothing
        OR expect = 2 AND seen_messages <> s.messages;
    IF is_stale OR cardinality(parts) = 0 THEN
        IF h.is_new THEN
            DELETE FROM conversant_sessions WHERE key = s.key;
        END IF;
        RETURN;
    END IF;
    INSERT INTO conversant_turns (session, first, count, id, bytes, incomplete, base_epoch, base_messages, messages)
        VALUES (s.key, s.messages, cardinality(parts), turn, size, cut_off,
            conversant_append.base_epoch, conversant_append.base_messages, parts);
    messages := s.messages + cardinality(parts);
    UPDATE conversant_sessions u SET messages = conversant_append.messages,
        expires = clock_timestamp() + lifetime_ms * interval '1 millisecond' WHERE u.key = s.key;
END
$$;

-- Empties a session, unless somebody has done so since it was seen in this epoch.
CREATE FUNCTION conversant_clear(wanted text, seen_epoch bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    s conversant_sessions;
BEGIN
    SELECT (h.held).* INTO s FROM conversant_hold(wanted) h;
    IF s.epoch = seen_epoch THEN
        PERFORM conversant_empty(s.key);
    END IF;
END
$$;

-- Removes a session, and tells whether it is gone: not if it was emptied since it was seen in this epoch.
CREATE FUNCTION conversant_delete(wanted text, seen_epoch bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    s conversant_sessions;
BEGIN
    DELETE FROM conversant_leases WHERE session = wanted;
    SELECT * INTO s FROM conversant_sessions WHERE id = wanted FOR UPDATE;
    IF NOT FOUND THEN
        RETURN true;
    END IF;
    IF s.epoch <> seen_epoch THEN
        RETURN false;
    END IF;
    UPDATE conversant_schema SET epoch = greatest(epoch, s.epoch + 1);
    DELETE FROM conversant_sessions WHERE key = s.key;
    RETURN true;
END
$$;

-- Stores a note, unless it covers another epoch than the session's.
CREATE FUNCTION conversant_put_note(
    wanted text, note_name bytea, epoch_covered bigint, messages_covered bigint, note_body text,
    OUT is_stale boolean, OUT epoch bigint, OUT messages bigint
) LANGUAGE plpgsql AS $$
DECLARE
    h record;
    s conversant_sessions;
BEGIN
    SELECT * INTO h FROM conversant_hold(wanted);
    s := h.held;
    epoch := s.epoch;
    messages := s.messages;
    is_stale := epoch_covered <> s.epoch;
    IF NOT is_stale THEN
        INSERT INTO conversant_notes (session, name, covers_epoch, covers_messages, body)
            VALUES (s.key, note_name, epoch_covered, messages_covered, note_body)
            ON CONFLICT (session, name) DO UPDATE SET covers_epoch = excluded.covers_epoch,
                covers_messages = excluded.covers_messages, body = excluded.body;
    ELSIF h.is_new THEN
        DELETE FROM conversant_sessions WHERE key = s.key;
    END IF;
END
$$;

-- Removes sessions whose time is up, at most so many, and leases that have ended, and tells how many sessions there were.
CREATE FUNCTION conversant_sweep(most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    latest bigint;
    swept bigint;
    keys bigint[];
BEGIN
    DELETE FROM conversant_leases WHERE expires <= clock_timestamp();
    SELECT array_agg(e.key), max(e.epoch), count(*) INTO keys, latest, swept FROM (
        SELECT key, epoch FROM conversant_sessions WHERE expires <= clock_timestamp() LIMIT most FOR UPDATE SKIP LOCKED
    ) e;
    IF swept > 0 THEN
        UPDATE conversant_schema SET epoch = greatest(epoch, latest + 1);
        DELETE FROM conversant_sessions WHERE key = ANY (keys);
    END IF;
    RETURN swept;
END
$$;
