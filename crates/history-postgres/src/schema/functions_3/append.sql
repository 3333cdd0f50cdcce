-- Version 3 of the functions: those that append. See `../5.sql` for the tables.

-- Returns the branch that takes the turn after a place: the head, if it is the session's and ends there,
-- or a new one.
CREATE OR REPLACE FUNCTION conversant_branch_for(s conversant_sessions, head bigint, finish bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    new_key bigint;
    parent_key bigint;
BEGIN
    IF (head = s.key OR EXISTS (SELECT FROM conversant_branches b WHERE b.key = head AND b.session = s.key))
        AND NOT EXISTS (SELECT FROM conversant_turns t WHERE t.session = head AND t.first >= finish) THEN
        UPDATE conversant_branches b SET touched = conversant_next_key() WHERE b.key = head;
        RETURN head;
    END IF;
    PERFORM conversant_first_branch(s.key);
    IF finish > 0 THEN
        parent_key := conversant_branch_with(head, finish - 1);
    END IF;
    new_key := conversant_next_key();
    INSERT INTO conversant_branches (key, session, parent, messages, touched)
        VALUES (new_key, s.key, parent_key, finish, new_key);
    RETURN new_key;
END
$$;

-- The appends of programs that know no branches.
CREATE OR REPLACE FUNCTION conversant_add_turn(
    wanted text, turn uuid, turn_tip bigint, expect smallint, seen_epoch bigint, seen_messages bigint,
    seen_tip bigint, parts text[], size bigint, cut_off boolean, base_epoch bigint, base_messages bigint,
    base_tip bigint, lifetime_ms bigint, limit_ms bigint
) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
    RETURN conversant_write_turn(wanted, 0::smallint, NULL, turn, turn_tip, expect, seen_epoch, seen_messages,
        seen_tip, parts, size, cut_off, base_epoch, base_messages, base_tip, lifetime_ms, limit_ms, NULL, NULL, NULL);
END
$$;

CREATE OR REPLACE FUNCTION conversant_append_turn(
    wanted text, turn uuid, expect smallint, seen_epoch bigint, seen_messages bigint, seen_tip bigint,
    parts text[], size bigint, cut_off boolean, base_epoch bigint, base_messages bigint, base_tip bigint,
    lifetime_ms bigint, limit_ms bigint,
    OUT is_stale boolean, OUT epoch bigint, OUT messages bigint, OUT tip bigint
) LANGUAGE plpgsql AS $$
DECLARE
    outcome bigint[];
BEGIN
    outcome := conversant_write_turn(wanted, 0::smallint, NULL, turn, conversant_fingerprint(turn), expect,
        seen_epoch, seen_messages, seen_tip, parts, size, cut_off, base_epoch, base_messages, base_tip, lifetime_ms,
        limit_ms, NULL, NULL, NULL);
    is_stale := outcome[1] <> 0;
    epoch := outcome[2];
    messages := outcome[3];
    tip := outcome[4];
END
$$;
