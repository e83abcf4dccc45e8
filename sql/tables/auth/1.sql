CREATE TABLE spark_auth.accounts (
	account_id uuid PRIMARY KEY,
	version bigint NOT NULL CHECK (version >= 1),
	username text COLLATE pg_catalog."C" NOT NULL UNIQUE
		CHECK (char_length(username) BETWEEN 1 AND 64),
	password_hash text COLLATE pg_catalog."C" NOT NULL,
	created_at timestamptz NOT NULL
);
ALTER TABLE spark_auth.accounts ENABLE ROW LEVEL SECURITY;

COMMENT ON TABLE spark_auth.accounts IS 'Who has signed up.';
COMMENT ON COLUMN spark_auth.accounts.username IS 'Trimmed, in form NFKC, lower case.';
COMMENT ON COLUMN spark_auth.accounts.password_hash IS 'PHC string: argon2id with its cost, salt and hash.';
COMMENT ON COLUMN spark_auth.accounts.version IS 'Grows by one with each change of the row.';
