// The real program as a process, in a directory of its own.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const binary = process.env.ROUTER_BINARY ?? path.join(root, 'build/release/app/openai-api-route');

export const key = 'client-key-0123456789abcdef';

export class Router {
    // Serves these upstreams in their order; records are in the database before a reply ends.
    static start(...upstreams) {
        return Router.startWith('', ...upstreams);
    }

    // The same with `settings`, which are TOML.
    static async startWith(settings, ...upstreams) {
        const router = new Router();
        router.directory = mkdtempSync(path.join(tmpdir(), 'route-sdk-'));
        const tables = upstreams.map(
            (upstream, at) => `[[upstreams]]\nname = "upstream-${'abc'[at]}"\nsk = "sk-of-upstream-${'abc'[at]}-0123456789"\nendpoint = "${upstream.url}"`,
        );
        writeFileSync(
            path.join(router.directory, 'openai-api-route.toml'),
            `[server]\nlisten = "127.0.0.1:0"\nthreads = 1\n[auth]\nkeys = [{ name = "tester", key = "${key}" }]\n` +
                `[records]\ndurability = "commit"\n${settings}\n${tables.join('\n')}\n`,
        );
        const { OPENAI_API_KEY, OPENAI_BASE_URL, ...env } = process.env;
        router.process = spawn(binary, [], { cwd: router.directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
        router.ended = once(router.process, 'exit');
        const port = await new Promise((resolve, reject) => {
            const lines = [];
            for (const stream of [router.process.stdout, router.process.stderr]) {
                createInterface(stream).on('line', (line) => {
                    lines.push(line);
                    const found = /listening on 127\.0\.0\.1:(\d+)/.exec(line);
                    if (found) resolve(found[1]);
                });
            }
            router.process.on('exit', () => reject(new Error(`it did not start:\n${lines.join('\n')}`)));
        });
        router.url = `http://127.0.0.1:${port}`;
        return router;
    }

    // The records so far, oldest first.
    records() {
        const lines = execFileSync(binary, ['record', 'export'], { cwd: this.directory, encoding: 'utf8' });
        return lines
            .split('\n')
            .filter(Boolean)
            .map((line) => JSON.parse(line))
            .sort((a, b) => a.id - b.id);
    }

    // The record of a request whose end no reply told of.
    async lastRecord() {
        for (let tries = 0; tries < 200; ++tries) {
            const record = this.records().at(-1);
            if (record) return record;
            await new Promise((resolve) => setTimeout(resolve, 25));
        }
        throw new Error('no record came');
    }

    async stop() {
        this.process.kill('SIGTERM');
        await this.ended;
        rmSync(this.directory, { recursive: true });
    }
}
