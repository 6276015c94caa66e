-- Whether a server that ends without being asked to is started again: never, on-failure or always.
ALTER TABLE servers ADD COLUMN restart TEXT NOT NULL DEFAULT 'on-failure';
