import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createTransport } from 'nodemailer';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseDemoArguments } from '../../../src/cli/demoArguments.ts';
import { DEMO_SEQUENCES, demoEvents } from '../../../src/cli/demoFeed.ts';
import { FileError, readLines, readSequences, tableOf } from '../../../src/cli/demoFile.ts';
import { type Mailbox, type ReceivedEmail, startMailbox, subjectOf } from '../../../src/cli/demoMailbox.ts';
import { type ReceivedFire, startReceiver, type WebhookReceiver } from '../../../src/cli/demoReceiver.ts';
import { describeEmail, describeFire } from '../../../src/cli/demoRun.ts';
import { UsageError } from '../../../src/cli/usage.ts';

describe('the arguments of the demo', () => {
  it('mean made-up visitors until a signal when there are none', () => {
    expect(parseDemoArguments([])).toEqual({
      mode: 'visitors',
      port: null,
      seconds: null,
      eventsPerSecond: 8,
    });
  });

  it('can set duration, rate and port, or files', () => {
    expect(parseDemoArguments(['--seconds', '5', '--rate', '100', '--port', '9000'])).toEqual({
      mode: 'visitors',
      port: 9_000,
      seconds: 5,
      eventsPerSecond: 100,
    });
    expect(parseDemoArguments(['--events', 'e.ndjson.gz', '--sequences', 's.json'])).toEqual({
      mode: 'file',
      port: null,
      events: 'e.ndjson.gz',
      sequences: 's.json',
    });
    expect(parseDemoArguments(['-h'])).toEqual({ mode: 'help' });
  });

  it.each([
    [['--fast'], '--fast'],
    [['events.ndjson'], 'events.ndjson'],
    [['--seconds', '0'], '--seconds is "0": allowed is an integer from 1 to 86400'],
    [['--rate', 'many'], '--rate is "many"'],
    [['--port', '65536'], '--port is "65536"'],
    [['--events', 'e'], '--events and --sequences go together'],
    [['--events', 'e', '--sequences', 's', '--seconds', '3'], 'a file is fed at full speed'],
  ])('are refused by name: %j', (args, message) => {
    expect(() => parseDemoArguments(args)).toThrow(UsageError);
    expect(() => parseDemoArguments(args)).toThrow(message);
  });
});

describe('the made-up visitors', () => {
  /** The same numbers each time: a linear congruential generator. */
  function numbers(): () => number {
    let state = 7;
    return () => {
      state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
      return state / 2 ** 31;
    };
  }

  function take(count: number) {
    const feed = demoEvents(numbers());
    return Array.from({ length: count }, () => feed.next().value);
  }

  it('complete each sequence of the demo within a minute of events', () => {
    const events = take(480);
    for (const { name, event_types: types, ordered } of DEMO_SEQUENCES) {
      const leads = new Set(events.map((event) => event.leadId));
      const completes = [...leads].some((lead) => {
        const steps: string[] = [...types];
        for (const { leadId, type } of events) {
          if (leadId !== lead) continue;
          const at = ordered ? (steps[0] === type ? 0 : -1) : steps.indexOf(type);
          if (at !== -1) steps.splice(at, 1);
        }
        return steps.length === 0;
      });
      expect(completes, name).toBe(true);
    }
  });

  it('depend on the numbers given alone', () => {
    expect(take(200)).toEqual(take(200));
  });
});

describe('the webhook receiver', () => {
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  const body = JSON.stringify({
    trigger: { id: 'seq-1', name: 'Three', type: 'sequence' },
    lead_id: 'ada',
    sequence: ['a', 'b'],
    events: [
      { id: '1', event_type: 'a', created_at: '2026-03-01T09:30:00Z' },
      { id: '2', event_type: 'b', created_at: '2026-03-01T09:30:00.25Z' },
    ],
  });
  let receiver: WebhookReceiver;
  const fires: ReceivedFire[] = [];
  const refusals: string[] = [];

  beforeEach(async () => {
    receiver = await startReceiver(
      (fire) => fires.push(fire),
      (reason) => refusals.push(reason),
    );
  });
  afterEach(async () => {
    await receiver.close();
    fires.length = 0;
    refusals.length = 0;
  });

  function signed(options: { secret?: string; at?: Date; id?: string } = {}): Record<string, string> {
    const { id = 'fire-1', at = new Date() } = options;
    return {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'webhook-signature': new Webhook(options.secret ?? secret).sign(id, at, body),
    };
  }

  async function post(headers: Record<string, string>, content = body): Promise<number> {
    return (await fetch(receiver.url, { method: 'POST', headers, body: content })).status;
  }

  it('reports a fire that is signed with the secret of its sequence, once', async () => {
    receiver.trust('seq-1', secret);
    expect(await post(signed())).toBe(204);
    expect(await post(signed())).toBe(204);
    expect(fires).toEqual([
      {
        fireId: 'fire-1',
        sequenceId: 'seq-1',
        sequenceName: 'Three',
        leadId: 'ada',
        events: [
          { type: 'a', createdAtMs: Date.UTC(2026, 2, 1, 9, 30) },
          { type: 'b', createdAtMs: Date.UTC(2026, 2, 1, 9, 30) + 250 },
        ],
      },
    ]);
  });

  it('accepts one that fits among several signatures, as during a rotation', async () => {
    receiver.trust('seq-1', secret);
    const headers = signed();
    headers['webhook-signature'] = `v1,AAAA v2,xyz ${headers['webhook-signature']}`;
    expect(await post(headers)).toBe(204);
    expect(fires).toHaveLength(1);
  });

  it('refuses what it cannot verify, and says why', async () => {
    expect(await post(signed())).toBe(401);
    receiver.trust('seq-1', secret);
    expect(await post({})).toBe(401);
    expect(await post(signed(), body.replace('ada', 'eve'))).toBe(401);
    expect(await post(signed({ secret: `whsec_${Buffer.alloc(32, 8).toString('base64')}` }))).toBe(401);
    expect(await post(signed({ at: new Date(Date.now() - 3_600_000) }))).toBe(401);
    expect(await post(signed(), 'null')).toBe(401);
    expect(await post(signed(), ' '.repeat(2 ** 20 + 1))).toBe(413);
    expect(fires).toEqual([]);
    expect(refusals).toEqual([
      'no secret is known for sequence seq-1',
      'Missing required headers',
      'No matching signature found',
      'No matching signature found',
      'Message timestamp too old',
      'the body is not a webhook',
    ]);
  });
});

describe('the mailbox', () => {
  let mailbox: Mailbox;
  const emails: ReceivedEmail[] = [];

  beforeEach(async () => {
    mailbox = await startMailbox((email) => emails.push(email));
  });
  afterEach(() => mailbox.close());

  it('reports recipients and subject of an email sent by a real client', async () => {
    const transport = createTransport(mailbox.url);
    const subject = `Größe zählt: ${'ein langer Betreff '.repeat(8).trim()}`;
    await transport.sendMail({
      from: 'a@example.com',
      to: 'b@example.com, c@example.com',
      subject,
      text: 'x',
    });
    transport.close();
    expect(emails).toEqual([{ to: ['b@example.com', 'c@example.com'], subject }]);
  });

  it('reads subjects that are plain, folded, encoded or absent', () => {
    expect(subjectOf('From: a\r\nSubject: plain\r\n\r\nSubject: body')).toBe('plain');
    expect(subjectOf('subject: folded\r\n  line\r\nTo: b\r\n\r\n')).toBe('folded line');
    expect(subjectOf('Subject: =?UTF-8?Q?caf=C3=A9_au?= =?UTF-8?B?IGxhaXQ=?=\r\n\r\n')).toBe('café au lait');
    expect(subjectOf('From: a\r\n\r\nSubject: body')).toBe('');
  });
});

describe('the files of the demo', () => {
  const directory = mkdtempSync(join(tmpdir(), 'demo-test-'));
  afterAll(() => rmSync(directory, { recursive: true }));

  function file(name: string, content: string | Buffer): string {
    const path = join(directory, name);
    writeFileSync(path, content);
    return path;
  }

  async function linesOf(path: string): Promise<string[]> {
    const lines: string[] = [];
    for await (const line of readLines(path)) lines.push(line);
    return lines;
  }

  it('are read line by line, plain or compressed, blank lines left out', async () => {
    const content = '{"a":1}\r\n\n{"b":2}\n{"c":3}';
    const expected = ['{"a":1}', '{"b":2}', '{"c":3}'];
    expect(await linesOf(file('events.ndjson', content))).toEqual(expected);
    expect(await linesOf(file('events.ndjson.gz', gzipSync(content)))).toEqual(expected);
  });

  it('are refused by name when absent or broken', async () => {
    await expect(linesOf(join(directory, 'absent.ndjson'))).rejects.toThrow(FileError);
    await expect(linesOf(join(directory, 'absent.ndjson.gz'))).rejects.toThrow(
      /absent\.ndjson\.gz cannot be/,
    );
    await expect(linesOf(file('broken.gz', 'not compressed'))).rejects.toThrow(/broken\.gz cannot be read/);
  });

  it('hold a JSON array of sequences', async () => {
    expect(await readSequences(file('good.json', '[{"name":"x"}]'))).toEqual([{ name: 'x' }]);
    await expect(readSequences(join(directory, 'absent.json'))).rejects.toThrow('cannot be read (ENOENT)');
    await expect(readSequences(file('text.json', 'x'))).rejects.toThrow('text.json is not valid JSON');
    for (const wrong of ['{}', '[]', '[1]', '[[]]', 'null']) {
      await expect(readSequences(file('wrong.json', wrong))).rejects.toThrow(
        'must be a JSON array of sequences',
      );
    }
  });
});

describe('what the demo prints', () => {
  it('is one line for a fire, with the delay while the events are fresh', () => {
    const fire: ReceivedFire = {
      fireId: 'fire-1',
      sequenceId: 'seq-1',
      sequenceName: 'Cart',
      leadId: 'ada',
      events: [
        { type: 'b', createdAtMs: 2_000 },
        { type: 'a', createdAtMs: 1_000 },
      ],
    };
    expect(describeFire(fire, 2_012)).toBe(
      'webhook  "Cart"  lead ada: b, a (signature verified, 12 ms after the last event)',
    );
    expect(describeFire(fire, 1e9)).toBe('webhook  "Cart"  lead ada: b, a (signature verified)');
    expect(describeEmail({ to: ['a@b', 'c@d'], subject: 'Hi' })).toBe('email    "Hi"  to a@b, c@d');
  });

  it('is a table with names to the left and numbers to the right', () => {
    const rows = [
      { name: 'a', fires: 12, leads: 3 },
      { name: 'long enough name', fires: 1, leads: 1 },
    ];
    expect(tableOf(rows)).toEqual([
      'sequence          fires  distinct leads',
      '----------------  -----  --------------',
      'a                    12               3',
      'long enough name      1               1',
    ]);
  });
});
