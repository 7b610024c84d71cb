import { describe, expect, it } from 'vitest';
import { parseReplayArguments } from '../../../src/cli/replayArguments.ts';
import { UsageError } from '../../../src/cli/usage.ts';

describe('the arguments of a replay', () => {
  it('are a file, and may be an OU and a rate', () => {
    expect(parseReplayArguments(['e.ndjson'])).toEqual({ file: 'e.ndjson', ou: 'default', rate: null });
    expect(parseReplayArguments(['e.ndjson', '--ou', 'acme', '--rate', '0.5'])).toEqual({
      file: 'e.ndjson',
      ou: 'acme',
      rate: 0.5,
    });
  });

  it.each(['--help', '-h'])('ask for help with %s', (option) => {
    expect(parseReplayArguments([option])).toBeNull();
  });

  it.each([
    [[], 'A file is required.'],
    [['a', 'b', 'c'], '"b c" is too much here.'],
    [['a', '--fast'], "Unknown option '--fast'"],
    [['a', '--rate'], "Option '--rate <value>' argument missing"],
    [['a', '--ou', 'a.b'], '--ou is a.b, but must be 1 to 64 letters'],
    [['a', '--rate', '0'], '--rate is 0, but must be a number'],
  ])('are refused by name, without advice of Node: %j', (args, message) => {
    expect(() => parseReplayArguments(args)).toThrow(UsageError);
    expect(() => parseReplayArguments(args)).toThrow(message);
    expect(() => parseReplayArguments(args)).not.toThrow(/positional/);
  });
});
