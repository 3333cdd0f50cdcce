-- The index of the search, for databases in which it is asked for. A turn has a row for each part of its
-- text, since the words of a row have a largest size.

CREATE TABLE conversant_search (
    session bigint NOT NULL,
    first bigint NOT NULL,
    part bigint NOT NULL,
    words tsvector NOT NULL,
    PRIMARY KEY (session, first, part),
    FOREIGN KEY (session, first) REFERENCES conversant_turns ON DELETE CASCADE
);
CREATE INDEX ON conversant_search USING gin (words);
CREATE INDEX ON conversant_sessions USING gin (title_words);
