-- What a server's program writes and reads, by the encoding's name.
ALTER TABLE servers ADD COLUMN encoding TEXT NOT NULL DEFAULT 'UTF-8';
