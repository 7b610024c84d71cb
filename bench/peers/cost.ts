/** What some work took: `cpuSeconds` counts all threads of the process, so neighbours on the machine do not. */
export interface Cost {
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const NOTHING: Cost = { seconds: 0, cpuSeconds: 0 };

/** Starts to count; the returned function tells the cost since then, added to `before`. */
export function startCost(before: Cost = NOTHING): () => Cost {
  const startedMs = performance.now();
  const startedCpu = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(startedCpu);
    return {
      seconds: before.seconds + (performance.now() - startedMs) / 1000,
      cpuSeconds: before.cpuSeconds + (user + system) / 1e6,
    };
  };
}
