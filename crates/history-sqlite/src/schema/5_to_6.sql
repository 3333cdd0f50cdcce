-- Version 6: the branch of a session that got the last turn is found without the others.

CREATE INDEX branches_by_touch ON branches (session, touched);
DROP INDEX branches_by_session;
