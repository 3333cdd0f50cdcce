-- Version 2 of the functions: those of branches. See `../4.sql` for the tables.
--
-- A place in a session's tree is a branch, its head, and a number of messages, its finish: the turns
-- before it are those of the head that begin earlier, then those of its parent that begin before the
-- head does, and so on.

-- Returns the branch that has the message of a number, on the path to a head.
CREATE OR REPLACE FUNCTION conversant_branch_with(head bigint, message bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    b conversant_branches;
    ends bigint;
BEGIN
    LOOP
        SELECT * INTO b FROM conversant_branches c WHERE c.key = head;
        -- The first branch of a session without other branches has no row.
        IF NOT FOUND OR message >= b.messages THEN
            RETURN head;
        END IF;
        -- Each branch leaves one that begins before it, so that this ends.
        IF b.parent IS NULL OR b.messages >= ends THEN
            RAISE EXCEPTION USING ERRCODE = 'CV002', MESSAGE = 'a branch is missing';
        END IF;
        ends := b.messages;
        head := b.parent;
    END LOOP;
END
$$;

-- Returns the last turn on the path to a head that begins before a message.
CREATE OR REPLACE FUNCTION conversant_turn_before(
    head bigint, message bigint, OUT first bigint, OUT finish bigint, OUT id uuid
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF message <= 0 THEN
        RETURN;
    END IF;
    head := conversant_branch_with(head, message - 1);
    SELECT t.first, t.first + t.count, t.id INTO first, finish, id FROM conversant_turns t
        WHERE t.session = head AND t.first < message ORDER BY t.first DESC LIMIT 1;
END
$$;

-- Returns the fingerprint of the turn that ends at a number of messages on the path to a head, or 0.
CREATE OR REPLACE FUNCTION conversant_tip_of(head bigint, message bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    last record;
BEGIN
    SELECT * INTO last FROM conversant_turn_before(head, message);
    RETURN CASE WHEN last.finish = message THEN conversant_fingerprint(last.id) ELSE 0 END;
END
$$;

-- The same, on the path of a session. Programs that know no branches call it by the session's key.
CREATE OR REPLACE FUNCTION conversant_tip(held bigint, position_ bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    head bigint;
BEGIN
    SELECT s.branch INTO head FROM conversant_sessions s WHERE s.key = held;
    RETURN conversant_tip_of(coalesce(head, held), position_);
END
$$;

-- Returns all branches of a session: its own ones, and those that it shares as a fork, up to the
-- message at which it leaves them.
CREATE OR REPLACE FUNCTION conversant_tree(held bigint)
RETURNS TABLE (key bigint, parent bigint, messages bigint, until bigint, touched bigint)
LANGUAGE plpgsql STABLE ROWS 4 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
        WITH RECURSIVE shared AS (
            SELECT b.parent AS key, b.messages AS until FROM conversant_branches b
                WHERE b.key = held AND b.parent IS NOT NULL
            UNION ALL
            SELECT b.parent, b.messages FROM shared s JOIN conversant_branches b ON b.key = s.key
                WHERE b.parent IS NOT NULL AND b.messages < s.until
        )
        SELECT b.key, b.parent, b.messages, NULL::bigint, b.touched FROM conversant_branches b
            WHERE b.session = held
        UNION ALL
        SELECT b.key, b.parent, b.messages, s.until, 0::bigint FROM shared s
            JOIN conversant_branches b ON b.key = s.key
        UNION ALL
        SELECT held, NULL::bigint, 0::bigint, NULL::bigint, held
            WHERE NOT EXISTS (SELECT FROM conversant_branches b WHERE b.key = held);
END
$$;

-- Returns the number of turns before a place. Turns of earlier versions have no number and are counted.
CREATE OR REPLACE FUNCTION conversant_turns_before(head bigint, finish bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    b conversant_branches;
    last record;
    counted bigint := 0;
BEGIN
    LOOP
        IF finish <= 0 THEN
            RETURN counted;
        END IF;
        head := conversant_branch_with(head, finish - 1);
        SELECT t.number, t.first INTO last FROM conversant_turns t
            WHERE t.session = head AND t.first < finish ORDER BY t.first DESC LIMIT 1;
        IF last.number IS NOT NULL OR last.first IS NULL THEN
            RETURN counted + coalesce(last.number + 1, 0);
        END IF;
        SELECT * INTO b FROM conversant_branches c WHERE c.key = head;
        counted := counted + (SELECT count(*) FROM conversant_turns t
            WHERE t.session = head AND t.first < finish AND t.first >= coalesce(b.messages, 0));
        finish := coalesce(b.messages, 0);
    END LOOP;
END
$$;

-- Finds a turn on any branch of a session. Returns nothing if there is none.
CREATE OR REPLACE FUNCTION conversant_find_turn(
    s conversant_sessions, turn uuid, OUT branch bigint, OUT finish bigint
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF s.branch IS NULL THEN
        SELECT t.session, t.first + t.count INTO branch, finish FROM conversant_turns t
            WHERE t.session = s.key AND t.id = turn;
    ELSE
        -- With a limit, each branch is looked up by the index, whatever the planner guesses.
        SELECT b.key, f.finish INTO branch, finish FROM conversant_tree(s.key) b CROSS JOIN LATERAL (
                SELECT t.first, t.first + t.count AS finish FROM conversant_turns t
                WHERE t.session = b.key AND t.id = turn LIMIT 1
            ) f WHERE b.until IS NULL OR f.first < b.until LIMIT 1;
    END IF;
END
$$;

-- Returns the place of a point of a session. `at_point`: 0 its tip, 1 its start, 2 after a turn.
CREATE OR REPLACE FUNCTION conversant_place(
    s conversant_sessions, at_point smallint, turn uuid, OUT head bigint, OUT finish bigint
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF at_point = 0 THEN
        head := coalesce(s.branch, s.key);
        finish := s.messages;
    ELSIF at_point = 1 THEN
        head := conversant_branch_with(s.key, 0);
        finish := 0;
    ELSE
        SELECT f.branch, f.finish INTO head, finish FROM conversant_find_turn(s, turn) f;
        IF head IS NULL THEN
            PERFORM conversant_unknown_turn(turn);
        END IF;
    END IF;
END
$$;

-- Raises the error of a turn that a session does not have.
CREATE OR REPLACE FUNCTION conversant_unknown_turn(turn uuid) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'CV003', MESSAGE = turn::text;
END
$$;

-- Writes the row of a session's first branch, which it needs once another branch leaves it.
CREATE OR REPLACE FUNCTION conversant_first_branch(held bigint) RETURNS void LANGUAGE sql AS $$
    INSERT INTO conversant_branches (key, session, parent, messages, touched)
        VALUES (held, held, NULL, 0, held) ON CONFLICT (key) DO NOTHING
$$;

-- Returns the next key of a branch, and the next time of `touched`.
CREATE OR REPLACE FUNCTION conversant_next_key() RETURNS bigint LANGUAGE sql AS $$
    SELECT nextval(pg_get_serial_sequence('conversant_sessions', 'key'))
$$;

-- Removes the turns of a session, on all of its branches, except for those that forks share. Returns
-- whether forks share turns of the branch that has the session's key.
CREATE OR REPLACE FUNCTION conversant_remove_turns(held bigint) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    is_shared boolean := false;
    own record;
    borrowed bigint[];
    key_ bigint;
BEGIN
    -- A fork that is deleted meanwhile holds the branch that it leaves.
    PERFORM FROM conversant_branches b WHERE b.session = held ORDER BY b.key FOR UPDATE;
    IF NOT FOUND THEN
        DELETE FROM conversant_turns WHERE session = held;
        RETURN false;
    END IF;
    SELECT array_agg(DISTINCT b.parent) INTO borrowed FROM conversant_branches b
        WHERE b.session = held AND NOT EXISTS (
            SELECT FROM conversant_branches p WHERE p.key = b.parent AND p.session = held);
    FOR own IN
        -- The branches that others leave, those that these leave, and so on, each with the number of
        -- its messages that they need.
        WITH RECURSIVE needed AS (
            SELECT b.key, c.messages FROM conversant_branches b
                JOIN conversant_branches c ON c.parent = b.key AND c.session IS DISTINCT FROM held
                WHERE b.session = held
            UNION
            SELECT p.key, b.messages FROM needed n JOIN conversant_branches b ON b.key = n.key
                JOIN conversant_branches p ON p.key = b.parent AND p.session = held
        )
        SELECT b.key, max(n.messages) AS needed FROM conversant_branches b
            LEFT JOIN needed n ON n.key = b.key WHERE b.session = held GROUP BY b.key
    LOOP
        IF own.needed IS NULL THEN
            DELETE FROM conversant_turns WHERE session = own.key;
            DELETE FROM conversant_branches WHERE key = own.key;
        ELSE
            DELETE FROM conversant_turns WHERE session = own.key AND first >= own.needed;
            UPDATE conversant_branches SET session = NULL WHERE key = own.key;
            is_shared := is_shared OR own.key = held;
        END IF;
    END LOOP;
    FOREACH key_ IN ARRAY coalesce(borrowed, '{}') LOOP
        PERFORM conversant_release(key_);
    END LOOP;
    RETURN is_shared;
END
$$;

-- Removes the turns of branches without a session that no fork shares any more.
CREATE OR REPLACE FUNCTION conversant_release(key_ bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    owner bigint;
    next_key bigint;
    needed bigint;
BEGIN
    WHILE key_ IS NOT NULL LOOP
        -- An update, so that of two that remove what shares a branch, the later one sees that the
        -- earlier one has, or fails at isolation levels at which it could not.
        UPDATE conversant_branches SET touched = touched WHERE key = key_
            RETURNING session, parent INTO owner, next_key;
        EXIT WHEN NOT FOUND OR owner IS NOT NULL;
        SELECT max(messages) INTO needed FROM conversant_branches WHERE parent = key_;
        IF needed IS NOT NULL THEN
            DELETE FROM conversant_turns WHERE session = key_ AND first >= needed;
            EXIT;
        END IF;
        DELETE FROM conversant_turns WHERE session = key_;
        DELETE FROM conversant_branches WHERE key = key_;
        key_ := next_key;
    END LOOP;
END
$$;

-- Empties a session whose row the caller holds, and starts an epoch.
CREATE OR REPLACE FUNCTION conversant_empty(held bigint) RETURNS conversant_sessions LANGUAGE plpgsql AS $$
DECLARE
    emptied conversant_sessions;
BEGIN
    DELETE FROM conversant_notes WHERE session = held;
    IF conversant_remove_turns(held) THEN
        UPDATE conversant_sessions SET key = DEFAULT WHERE key = held RETURNING key INTO held;
    END IF;
    UPDATE conversant_sessions SET epoch = epoch + 1, cleared = true, messages = 0, branch = NULL, expires = NULL,
        title = NULL, title_words = NULL, turns = 0, bytes = 0, totals = NULL
        WHERE key = held RETURNING * INTO emptied;
    RETURN emptied;
END
$$;

