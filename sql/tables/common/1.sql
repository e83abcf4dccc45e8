--
-- The bus: outbox log, cursors, parked and dead messages, subscriptions.
--
-- Everything here is ordinary tables with built-in types: they are dumped and
-- restored as any other, and outlive DROP EXTENSION.
--

CREATE TABLE spark_common.installed (
	context text PRIMARY KEY,
	version int NOT NULL,
	code_version text NOT NULL,
	installed_at timestamptz NOT NULL
);
COMMENT ON TABLE spark_common.installed IS 'Which version of its tables each context has';

CREATE TABLE spark_common.settings (
	name text PRIMARY KEY,
	value text NOT NULL
);
COMMENT ON TABLE spark_common.settings IS 'What spark remembers of itself: member_role, the cluster that the log was written in';

-- The outbox log: lane 0, three segments of one structure, one sequence.  seq
-- is the order, never an identity; it is drawn after xid was assigned.  The
-- names of the columns are those that an outbox router expects.  Further lanes
-- are made like this one by spark_ops.set_lanes().
CREATE SEQUENCE spark_common.outbox_0_seq AS bigint CACHE 1;

CREATE TABLE spark_common.outbox_0_0 (
	seq bigint NOT NULL,
	xid xid8 NOT NULL,
	id uuid NOT NULL,
	aggregatetype text NOT NULL,
	aggregateid uuid NOT NULL,
	type text NOT NULL,
	payload jsonb NOT NULL,
	schemaversion int4 NOT NULL,
	correlationid uuid NOT NULL,
	causationid uuid,
	traceparent text,
	tracestate text,
	destination text,
	depth int2 NOT NULL,
	origin text,
	headers jsonb,
	created_at timestamptz NOT NULL
);
CREATE INDEX outbox_0_0_seq ON spark_common.outbox_0_0 (seq);
CREATE INDEX outbox_0_0_xid_seq ON spark_common.outbox_0_0 (xid, seq);
COMMENT ON TABLE spark_common.outbox_0_0 IS 'A segment of the log: messages in the order of seq, only ever inserted';

CREATE TABLE spark_common.outbox_0_1 (LIKE spark_common.outbox_0_0);
CREATE INDEX outbox_0_1_seq ON spark_common.outbox_0_1 (seq);
CREATE INDEX outbox_0_1_xid_seq ON spark_common.outbox_0_1 (xid, seq);
COMMENT ON TABLE spark_common.outbox_0_1 IS 'A segment of the log';

CREATE TABLE spark_common.outbox_0_2 (LIKE spark_common.outbox_0_0);
CREATE INDEX outbox_0_2_seq ON spark_common.outbox_0_2 (seq);
CREATE INDEX outbox_0_2_xid_seq ON spark_common.outbox_0_2 (xid, seq);
COMMENT ON TABLE spark_common.outbox_0_2 IS 'A segment of the log';

CREATE VIEW spark_common.outbox_0 AS
	SELECT * FROM spark_common.outbox_0_0
	UNION ALL SELECT * FROM spark_common.outbox_0_1
	UNION ALL SELECT * FROM spark_common.outbox_0_2;
COMMENT ON VIEW spark_common.outbox_0 IS 'The log of lane 0, all segments';

CREATE VIEW spark_common.outbox AS
	SELECT 0 AS lane, * FROM spark_common.outbox_0;
COMMENT ON VIEW spark_common.outbox IS 'The log, all lanes';

-- How many lanes emitters use: the row of the highest epoch.  A change of lanes
-- begins an epoch; every number of the epochs before is up to its barrier.
CREATE TABLE spark_common.lane_epoch (
	epoch int PRIMARY KEY,
	lanes int NOT NULL,
	made int NOT NULL,
	barrier bigint NOT NULL,
	switched_by xid8 NOT NULL,
	at timestamptz NOT NULL
);
INSERT INTO spark_common.lane_epoch VALUES (0, 1, 1, 0, pg_catalog.pg_current_xact_id(), pg_catalog.clock_timestamp());
COMMENT ON TABLE spark_common.lane_epoch IS 'How many lanes emitters use: the row of the highest epoch; a change of lanes begins one';
COMMENT ON COLUMN spark_common.lane_epoch.barrier IS 'The last number of all epochs before, in every lane';
COMMENT ON COLUMN spark_common.lane_epoch.made IS 'Lanes that have tables: they are read, written to or not';

-- A consumer enters an epoch when it has handled all of the epochs before.
CREATE TABLE spark_common.consumer_epoch (
	consumer text NOT NULL,
	epoch int NOT NULL,
	PRIMARY KEY (consumer, epoch)
);

COMMENT ON TABLE spark_common.consumer_epoch IS 'Who has handled all that was emitted before an epoch';

CREATE TABLE spark_common.lane_segment (
	lane int PRIMARY KEY,
	segment int NOT NULL,
	since timestamptz NOT NULL
);
INSERT INTO spark_common.lane_segment VALUES (0, 0, pg_catalog.clock_timestamp());
COMMENT ON TABLE spark_common.lane_segment IS 'Which segment of a lane is written to: a hint, all are read';

-- A cursor is a ledger: its current row is the one of the highest gen, and it
-- advances by INSERT of gen + 1 in the transaction of the effects.  The primary
-- key is the fence between two workers on one batch.
CREATE TABLE spark_common.cursor_log (
	consumer text NOT NULL,
	lane int NOT NULL,
	gen bigint NOT NULL,
	s1 pg_snapshot NOT NULL,
	q1 bigint NOT NULL,
	n1 xid8 NOT NULL,
	s2 pg_snapshot,
	q2 bigint,
	n2 xid8,
	pos bigint NOT NULL,
	at timestamptz NOT NULL,
	PRIMARY KEY (consumer, lane, gen)
);
COMMENT ON TABLE spark_common.cursor_log IS 'Where each consumer stands in the log: its row of the highest gen';
COMMENT ON COLUMN spark_common.cursor_log.s1 IS 'Everything visible in this snapshot was delivered before';
COMMENT ON COLUMN spark_common.cursor_log.q1 IS 'No row beyond it is visible in s1';
COMMENT ON COLUMN spark_common.cursor_log.n1 IS 'Every row up to q1 has a lower xid';
COMMENT ON COLUMN spark_common.cursor_log.s2 IS 'The end of the open window, with its q2 and n2; NULL: none is open';
COMMENT ON COLUMN spark_common.cursor_log.pos IS 'The last row of the open window that was handled';

CREATE TABLE spark_common.subscription (
	consumer text NOT NULL,
	message_type text NOT NULL,
	kind text NOT NULL CHECK (kind IN ('event', 'command')),
	handler_schema text NOT NULL,
	handler_name text NOT NULL,
	role text NOT NULL,
	max_attempts int NOT NULL CHECK (max_attempts > 0),
	ordering text NOT NULL CHECK (ordering IN ('key', 'none', 'lane')),
	when_dead text NOT NULL CHECK (when_dead IN ('block', 'skip')),
	subscribed_at timestamptz NOT NULL,
	PRIMARY KEY (consumer, message_type)
);
CREATE UNIQUE INDEX subscription_one_handler_of_a_command
	ON spark_common.subscription (message_type) WHERE kind = 'command';
COMMENT ON TABLE spark_common.subscription IS 'Handlers of others, by name: an oid does not survive a restore';
COMMENT ON COLUMN spark_common.subscription.ordering IS 'What waits while a message of it fails: the later ones of its key, none, all of its lane';
COMMENT ON COLUMN spark_common.subscription.when_dead IS 'And when it is dead: they go on waiting (block), or go on (skip)';

CREATE TABLE spark_common.detached (
	consumer text PRIMARY KEY,
	heard_until timestamptz NOT NULL,
	detached_at timestamptz NOT NULL
);
COMMENT ON TABLE spark_common.detached IS 'Consumers that stood still for too long: what came since, they will not hear';

CREATE TABLE spark_common.paused (
	consumer text PRIMARY KEY,
	operator text NOT NULL,
	reason text NOT NULL,
	at timestamptz NOT NULL
);
COMMENT ON TABLE spark_common.paused IS 'Consumers that an operator has paused: they handle nothing until he lets them go on';

-- A parked message waits for its retry; those behind it of the same key wait
-- for it.  Whole copies, so that the log can be rotated freely.
CREATE TABLE spark_common.retry (
	consumer text NOT NULL,
	lane int NOT NULL,
	seq bigint NOT NULL,
	id uuid NOT NULL,
	aggregatetype text NOT NULL,
	aggregateid uuid NOT NULL,
	type text NOT NULL,
	payload jsonb NOT NULL,
	schemaversion int4 NOT NULL,
	correlationid uuid NOT NULL,
	causationid uuid,
	traceparent text,
	depth int2 NOT NULL,
	created_at timestamptz NOT NULL,
	holds text NOT NULL CHECK (holds IN ('key', 'none', 'lane')),
	attempts int NOT NULL,
	due timestamptz,
	error_code text,
	error_message text,
	error_detail text,
	error_context text,
	first_failed_at timestamptz,
	PRIMARY KEY (consumer, id)
);
CREATE INDEX retry_key ON spark_common.retry (consumer, aggregateid, seq);
CREATE INDEX retry_due ON spark_common.retry (consumer, lane, due) WHERE due IS NOT NULL;
CREATE INDEX retry_lane ON spark_common.retry (consumer, lane, seq) WHERE holds = 'lane';
COMMENT ON TABLE spark_common.retry IS 'Messages that a consumer could not handle yet, and those behind them';
COMMENT ON COLUMN spark_common.retry.holds IS 'What waits for it: the later ones of its key, none, or all later ones of its lane';
COMMENT ON COLUMN spark_common.retry.due IS 'When to try again; NULL: behind an earlier one of its key, or lane';

CREATE TABLE spark_common.dead_letter (
	LIKE spark_common.retry,
	died_at timestamptz NOT NULL,
	PRIMARY KEY (consumer, id)
);
CREATE INDEX dead_letter_key ON spark_common.dead_letter (consumer, aggregateid);
CREATE INDEX dead_letter_of_consumer ON spark_common.dead_letter (consumer, died_at, id);
CREATE INDEX dead_letter_lane ON spark_common.dead_letter (consumer, lane) WHERE holds = 'lane';
CREATE INDEX dead_letter_died_at ON spark_common.dead_letter (died_at, id);
COMMENT ON TABLE spark_common.dead_letter IS 'Messages that failed for good: each shuts its key for that consumer, if it holds it';
COMMENT ON COLUMN spark_common.dead_letter.holds IS 'As in retry';

-- A message that is due later.  When it is, it is moved into the log.
CREATE TABLE spark_common.delayed (
	id uuid PRIMARY KEY,
	due timestamptz NOT NULL,
	aggregatetype text NOT NULL,
	aggregateid uuid NOT NULL,
	type text NOT NULL,
	payload jsonb NOT NULL,
	schemaversion int4 NOT NULL,
	correlationid uuid NOT NULL,
	causationid uuid,
	traceparent text,
	depth int2 NOT NULL,
	emitted_by text NOT NULL,
	created_at timestamptz NOT NULL
);
CREATE INDEX delayed_due ON spark_common.delayed (due, id);
COMMENT ON TABLE spark_common.delayed IS 'Messages that are due later';
COMMENT ON COLUMN spark_common.delayed.emitted_by IS 'The role that emitted it, and may take it back';

-- A row of it that outlives a crash of the server is a suspicion.
CREATE TABLE spark_common.trial (
	consumer text NOT NULL,
	id uuid NOT NULL,
	lane int NOT NULL,
	crashes int NOT NULL,
	started_in timestamptz NOT NULL,
	PRIMARY KEY (consumer, id)
);
COMMENT ON TABLE spark_common.trial IS 'Messages that are being handled with care, after a crash of the server';
COMMENT ON COLUMN spark_common.trial.crashes IS 'How many crashes earlier trials of it have ended in';
COMMENT ON COLUMN spark_common.trial.started_in IS 'When the server was started that tries it: later, the trial ended in a crash';

CREATE TABLE spark_common.operator_log (
	at timestamptz NOT NULL,
	operator text NOT NULL,
	action text NOT NULL,
	consumer text,
	message_id uuid,
	reason text,
	before jsonb,
	after jsonb
);
CREATE INDEX operator_log_at ON spark_common.operator_log (at);
COMMENT ON TABLE spark_common.operator_log IS 'Who did what to a message, or to the system, and why';

ALTER TABLE spark_common.installed ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.settings ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.outbox_0_0 ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.outbox_0_1 ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.outbox_0_2 ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.lane_epoch ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.consumer_epoch ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.lane_segment ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.cursor_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.subscription ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.detached ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.paused ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.delayed ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.retry ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.dead_letter ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.trial ENABLE ROW LEVEL SECURITY;
ALTER TABLE spark_common.operator_log ENABLE ROW LEVEL SECURITY;

-- What each consumer has not handled yet, whether it wants it or not: beyond its
-- cursor, parked, or dead.  For checks that span two contexts.
CREATE VIEW spark_common.undelivered AS
	SELECT c.consumer, m.id, m.type, m.aggregateid, m.payload
	FROM (SELECT DISTINCT ON (consumer, lane) * FROM spark_common.cursor_log ORDER BY consumer, lane, gen DESC) c
	JOIN spark_common.outbox m ON m.lane = c.lane
		AND NOT pg_visible_in_snapshot(m.xid, c.s1)
		AND NOT (c.s2 IS NOT NULL AND m.seq <= c.pos AND pg_visible_in_snapshot(m.xid, c.s2))
	UNION ALL
	SELECT consumer, id, type, aggregateid, payload FROM spark_common.retry
	UNION ALL
	SELECT consumer, id, type, aggregateid, payload FROM spark_common.dead_letter;
COMMENT ON VIEW spark_common.undelivered IS 'Messages that a consumer has not handled yet';
