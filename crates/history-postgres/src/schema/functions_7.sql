-- Version 7 of the functions: loads of what follows a version of another conversation, and notes that are not
-- stored, in sessions with branches.

-- Loads a part of a session as `conversant_read` does, at any place of its tree: its branches from the
-- head backwards.
CREATE OR REPLACE FUNCTION conversant_read_branch(
    s conversant_sessions, at_point smallint, turn uuid, part smallint, size bigint, seen_epoch bigint,
    seen_messages bigint, seen_tip bigint
) RETURNS TABLE (
    first bigint, id uuid, incomplete boolean, base_epoch bigint, base_messages bigint, base_tip bigint,
    messages text[]
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    place record;
    seen record;
    head bigint;
    b conversant_branches;
    t conversant_turns;
    start bigint := 0;
    begins bigint;
    ends bigint;
    room bigint := size;
BEGIN
    SELECT * INTO place FROM conversant_place(s, at_point, turn);
    head := place.head;
    ends := place.finish;
    base_epoch := s.epoch;
    base_messages := ends;
    incomplete := false;
    IF part = 3 THEN
        start := greatest(ends - size, 0);
    ELSIF part = 5 AND seen_epoch = s.epoch AND seen_messages > 0 THEN
        SELECT * INTO seen FROM conversant_turn_before(head, least(seen_messages, ends));
        incomplete := seen_tip <> 0 AND (seen_messages > ends OR seen.finish IS DISTINCT FROM seen_messages
            OR conversant_fingerprint(seen.id) <> seen_tip);
        IF NOT incomplete THEN
            start := CASE WHEN seen.finish > seen_messages THEN seen.first ELSE seen_messages END;
        END IF;
    ELSIF part = 0 OR part IN (2, 4) AND size <= 0 THEN
        start := ends;
    END IF;
    IF start >= ends THEN
        SELECT l.id INTO id FROM conversant_turn_before(head, ends) l;
        RETURN NEXT;
        RETURN;
    END IF;
    RETURN NEXT;
    <<branches>>
    LOOP
        SELECT * INTO b FROM conversant_branches c WHERE c.key = head;
        FOR t IN SELECT * FROM conversant_turns c
            WHERE c.session = head AND c.first < ends AND c.first >= coalesce(b.messages, 0) ORDER BY c.first DESC
        LOOP
            first := t.first;
            id := t.id;
            incomplete := t.incomplete;
            base_epoch := t.base_epoch;
            base_messages := t.base_messages;
            base_tip := t.base_tip;
            messages := t.messages;
            RETURN NEXT;
            IF part = 2 THEN
                room := room - 1;
            ELSIF part = 4 THEN
                room := room - t.bytes;
            END IF;
            EXIT branches WHEN t.first <= start OR part IN (2, 4) AND room <= 0;
        END LOOP;
        -- Each branch leaves one that begins before it, so that this ends.
        EXIT branches WHEN b.parent IS NULL OR b.messages <= start OR b.messages >= begins;
        begins := b.messages;
        ends := b.messages;
        head := b.parent;
    END LOOP;
END
$$;

-- Loads a note at a point of a session (`conversant_place`), unless it covers turns that are not on the
-- path there.
CREATE OR REPLACE FUNCTION conversant_read_note(wanted text, at_point smallint, turn uuid, note_name bytea)
RETURNS TABLE (body text, epoch bigint, messages bigint, tip bigint) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    s conversant_sessions;
    n conversant_notes;
    place record;
BEGIN
    SELECT * INTO s FROM conversant_sessions c WHERE c.id = wanted;
    IF s.key IS NULL OR s.expires <= clock_timestamp() THEN
        IF at_point = 2 THEN
            PERFORM conversant_unknown_turn(turn);
        END IF;
        RETURN;
    END IF;
    SELECT * INTO n FROM conversant_notes c WHERE c.session = s.key AND c.name = note_name;
    -- A session without branches is where it was, or further.
    IF s.branch IS NOT NULL OR at_point > 0 THEN
        SELECT * INTO place FROM conversant_place(s, at_point, turn);
        IF n.session IS NULL THEN
            RETURN;
        END IF;
        IF n.covers_epoch <> s.epoch OR n.covers_messages > place.finish
            OR n.covers_tip <> 0 AND n.covers_tip <> conversant_tip_of(place.head, n.covers_messages) THEN
            RETURN;
        END IF;
    END IF;
    IF n.session IS NOT NULL THEN
        RETURN QUERY SELECT n.body, n.covers_epoch, n.covers_messages, n.covers_tip;
    END IF;
END
$$;
