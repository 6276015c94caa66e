import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// `npm run dev` speaks to a running Roost, or to dev/stub.mjs; both listen on this address by default.
const backend = process.env['ROOST_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte()],
  build: { target: 'es2022', sourcemap: false, chunkSizeWarningLimit: 700 },
  server: { host: '127.0.0.1', proxy: { '/api': { target: backend, ws: true } } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
