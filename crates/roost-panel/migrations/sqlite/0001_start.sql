-- Ids are TEXT, times BIGINT milliseconds since 1970 UTC, truth values BOOLEAN, JSON TEXT: the same for both engines,
-- so that one SQL text serves both. The folder beside this one says the same for PostgreSQL, under the same numbers.

CREATE TABLE users (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid          TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    name_key      TEXT NOT NULL UNIQUE,      -- lower case, by which it is looked up
    email         TEXT,
    email_key     TEXT UNIQUE,
    password_hash TEXT,                      -- NULL: nobody can log in with a password
    admin         BOOLEAN NOT NULL,
    hidden        BOOLEAN NOT NULL,          -- the account that stands for the command line
    created_at    BIGINT NOT NULL
);

CREATE TABLE sessions (
    id          TEXT NOT NULL PRIMARY KEY,   -- public: stands in tokens and lists
    token_hash  TEXT NOT NULL UNIQUE,        -- sha256 of the cookie, hexadecimal
    user_uuid   TEXT NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    address     TEXT NOT NULL,
    agent       TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_uuid);

CREATE TABLE api_keys (
    identifier   TEXT NOT NULL PRIMARY KEY,
    token_hash   TEXT NOT NULL UNIQUE,       -- sha256 of the whole key, hexadecimal
    user_uuid    TEXT NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    description  TEXT NOT NULL,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX api_keys_by_user ON api_keys (user_uuid);

CREATE TABLE nodes (
    uuid             TEXT NOT NULL PRIMARY KEY,
    name             TEXT NOT NULL UNIQUE,
    address          TEXT NOT NULL,          -- as browsers reach it; empty: as the request came in
    internal_address TEXT,                   -- as the panel reaches it, where that differs
    token_id         TEXT NOT NULL UNIQUE,
    token_sealed     TEXT NOT NULL,          -- base64 of nonce and ciphertext, bound to the uuid
    previous_sealed  TEXT,
    previous_until   BIGINT,
    confirmed        BOOLEAN NOT NULL,       -- the node is known to have the secret; until then the one before is used
    created_at       BIGINT NOT NULL
);

CREATE TABLE servers (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT NOT NULL UNIQUE,
    short        TEXT NOT NULL UNIQUE,       -- the first 8 hexadecimal digits of the uuid
    identifier   TEXT NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    description  TEXT NOT NULL,
    owner_uuid   TEXT NOT NULL REFERENCES users (uuid),
    node_uuid    TEXT REFERENCES nodes (uuid) ON DELETE SET NULL,
    runtime      TEXT NOT NULL,              -- process | docker
    command      TEXT NOT NULL,              -- JSON array: argv
    image        TEXT,
    startup      TEXT,
    pull         TEXT NOT NULL,              -- missing | always | never
    dir          TEXT,
    ports        TEXT NOT NULL,              -- JSON array of {"ip","port"}; the first is the main one
    memory       BIGINT NOT NULL,            -- MiB
    cpu          BIGINT NOT NULL,            -- per cent of one core
    disk         BIGINT NOT NULL,            -- MiB
    done         TEXT,
    stop         TEXT,
    stop_timeout BIGINT NOT NULL,            -- seconds
    env          TEXT NOT NULL,              -- JSON object
    suspended    BOOLEAN NOT NULL,
    status       TEXT,                       -- NULL: normal; installing | install_failed | reinstall_failed
    state        TEXT,                       -- last known power state
    created_at   BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);
CREATE INDEX servers_by_owner ON servers (owner_uuid);
CREATE INDEX servers_by_node ON servers (node_uuid);

CREATE TABLE grants (
    server_uuid TEXT NOT NULL REFERENCES servers (uuid) ON DELETE CASCADE,
    user_uuid   TEXT NOT NULL REFERENCES users (uuid) ON DELETE CASCADE,
    permissions TEXT NOT NULL,               -- JSON array of names
    created_at  BIGINT NOT NULL,             -- the subuser's history begins here
    PRIMARY KEY (server_uuid, user_uuid)
);
CREATE INDEX grants_by_user ON grants (user_uuid);

-- Names stand beside ids: a row stays readable when its user or server is gone.
CREATE TABLE audit (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    row_uuid    TEXT,                        -- the node's own id of a row that it reported
    time        BIGINT NOT NULL,
    event       TEXT NOT NULL,
    user_uuid   TEXT,
    user_name   TEXT,
    server_uuid TEXT,
    server_name TEXT,
    address     TEXT,
    via         TEXT NOT NULL,               -- session | key | socket | cli | node
    details     TEXT NOT NULL                -- JSON object
);
CREATE INDEX audit_by_server ON audit (server_uuid, id);
CREATE INDEX audit_by_user ON audit (user_uuid, id);
CREATE UNIQUE INDEX audit_by_row ON audit (row_uuid) WHERE row_uuid IS NOT NULL;

-- Rows that nothing can appear before any more. Here there is one writer: all of them.
CREATE VIEW audit_settled AS SELECT * FROM audit;

-- What nodes still have to be told: whose sockets end and whose tokens are refused.
CREATE TABLE revocations (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    node_uuid   TEXT NOT NULL REFERENCES nodes (uuid) ON DELETE CASCADE,
    user_uuid   TEXT NOT NULL,
    server_uuid TEXT,                        -- NULL: on all servers
    credential  TEXT,                        -- NULL: opened by whatever session or key
    created_at  BIGINT NOT NULL,
    attempts    BIGINT NOT NULL,
    next_at     BIGINT NOT NULL
);
CREATE INDEX revocations_by_next ON revocations (next_at);

-- Failed logins, by address and by account plus address (hashed). Rows go an hour after the last failure.
CREATE TABLE login_limits (
    key           TEXT NOT NULL PRIMARY KEY,
    failures      BIGINT NOT NULL,
    since         BIGINT NOT NULL,           -- the first failure of an address, the last one of a pair
    blocked_until BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);
CREATE INDEX login_limits_by_age ON login_limits (updated_at);
