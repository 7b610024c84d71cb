/** A second signal within this time is taken for the first. */
const SAME_SIGNAL_MS = 1_000;

/** The part of `process` that is needed here. */
interface SignalSource {
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: (signal: NodeJS.Signals) => void): unknown;
}

/**
 * Calls `stop` at the first SIGINT, SIGTERM or SIGHUP. Another one while stopping means: now, and ends the process –
 * unless it comes at once. One Ctrl-C under npm arrives twice within milliseconds, from the terminal and
 * passed on by npm, and that must not cut the drain short.
 */
export function onStopSignal(
  stop: (signal: NodeJS.Signals) => void,
  source: SignalSource = process,
  nowMs: () => number = () => performance.now(),
  end: () => void = endNow,
): void {
  let stoppingSinceMs: number | null = null;
  const listener = (signal: NodeJS.Signals): void => {
    if (stoppingSinceMs === null) {
      stoppingSinceMs = nowMs();
      stop(signal);
    } else if (nowMs() - stoppingSinceMs > SAME_SIGNAL_MS) {
      end();
    }
  };
  source.on('SIGINT', listener);
  source.on('SIGTERM', listener);
  // The terminal was closed.
  source.on('SIGHUP', listener);
}

/**
 * Ends the process without a drain. `process.exit` alone waits for the thread pool, and there a write of LMDB
 * may be waiting for the main thread, so that both wait for ever. The exit listeners run (they end the
 * embedded server), and then nothing more does.
 */
export function endNow(): void {
  process.on('exit', () => process.kill(process.pid, 'SIGKILL'));
  process.exit();
}
