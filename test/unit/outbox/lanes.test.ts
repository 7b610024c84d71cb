import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Breaker, DEFAULT_BREAKER } from '../../../src/outbox/breaker.ts';
import { Lane, type Standing } from '../../../src/outbox/lane.ts';
import { LaneSet } from '../../../src/outbox/laneSet.ts';

/** A name is `ou/destination`, or a destination alone of one OU. */
function aLaneSet(): LaneSet {
  return new LaneSet((name) => {
    const ou = name.includes('/') ? name.slice(0, name.indexOf('/')) : '';
    return new Lane(name, ou, new Breaker(DEFAULT_BREAKER, () => 0.5), 'proven', { rows: 0 });
  });
}

function takeAll(lanes: LaneSet, suspectsMay = true): string[] {
  const may = (standing: Standing) => suspectsMay || standing !== 'suspect';
  const names: string[] = [];
  for (let lane = lanes.takeReady(may); lane !== undefined; lane = lanes.takeReady(may)) {
    names.push(lane.name);
  }
  return names;
}

describe('the lanes', () => {
  it('take turns, however often one of them is told to be ready', () => {
    const lanes = aLaneSet();
    for (const name of ['a', 'a', 'b', 'a', 'c']) lanes.markReady(lanes.lane(name));
    expect(lanes.takeReady(() => true)?.name).toBe('a');
    lanes.markReady(lanes.lane('a'));
    expect(takeAll(lanes)).toEqual(['b', 'c', 'a']);
  });

  it('leave the suspects alone while their share is used up', () => {
    const lanes = aLaneSet();
    lanes.lane('dead').standing = 'suspect';
    lanes.markReady(lanes.lane('dead'));
    lanes.markReady(lanes.lane('fine'));
    expect(takeAll(lanes, false)).toEqual(['fine']);
    expect(takeAll(lanes, true)).toEqual(['dead']);
  });

  it('stand in one queue only, also when they become suspects while they wait', () => {
    const lanes = aLaneSet();
    const lane = lanes.lane('turning');
    lanes.markReady(lane);
    lane.standing = 'suspect';
    lanes.markReady(lane);
    expect(takeAll(lanes)).toEqual(['turning']);
  });

  it('are not forgotten while they wait, or a second one of the name would send the same rows', () => {
    const lanes = aLaneSet();
    const lane = lanes.lane('waiting');
    lanes.markReady(lane);
    lanes.forgetIfIdle(lane);
    expect(lanes.lane('waiting')).toBe(lane);
    expect(takeAll(lanes)).toEqual(['waiting']);
    lanes.forgetIfIdle(lane);
    expect(lanes.lane('waiting')).not.toBe(lane);
  });

  it('of one OU take turns with those of another, however many it has', () => {
    const lanes = aLaneSet();
    for (const name of ['a/1', 'a/2', 'a/3', 'a/4', 'b/1', 'c/1', 'c/2']) lanes.markReady(lanes.lane(name));
    expect(takeAll(lanes)).toEqual(['a/1', 'b/1', 'c/1', 'a/2', 'c/2', 'a/3', 'a/4']);
  });

  it('let neither suspects nor the others starve', () => {
    const lanes = aLaneSet();
    for (const name of ['s1', 's2', 's3']) lanes.lane(name).standing = 'suspect';
    for (const name of ['s1', 's2', 's3', 'f1', 'f2', 'f3']) lanes.markReady(lanes.lane(name));
    expect(takeAll(lanes).map((name) => name[0])).toEqual(['f', 's', 'f', 's', 'f', 's']);
  });

  it('ring each alarm when its time has come, the earliest first', () => {
    const alarms = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 50 })));
    fc.assert(
      fc.property(alarms, fc.integer({ min: 0, max: 50 }), (set, nowMs) => {
        const lanes = aLaneSet();
        const earliest = new Map<string, number>();
        for (const [lane, atMs] of set) {
          lanes.setAlarm(lanes.lane(String(lane)), atMs);
          earliest.set(String(lane), Math.min(atMs, earliest.get(String(lane)) ?? atMs));
        }
        expect(lanes.nextAlarmMs()).toBe(earliest.size === 0 ? null : Math.min(...earliest.values()));
        lanes.ring(nowMs);
        const due = [...earliest].filter(([, atMs]) => atMs <= nowMs).map(([name]) => name);
        expect(takeAll(lanes).sort()).toEqual(due.sort());
        expect(lanes.nextAlarmMs() ?? Number.POSITIVE_INFINITY).toBeGreaterThan(nowMs);
      }),
    );
  });

  it('do not pile up alarms when near ones replace a far one again and again', () => {
    const lanes = aLaneSet();
    const lane = lanes.lane('busy');
    const DAY = 86_400_000;
    for (let nowMs = 0; nowMs < 10_000; nowMs++) {
      lanes.setAlarm(lane, DAY);
      lanes.setAlarm(lane, nowMs);
      lanes.ring(nowMs);
      takeAll(lanes);
    }
    expect(lanes.alarmCount).toBeLessThan(200);
    lanes.setAlarm(lane, DAY);
    expect(lanes.nextAlarmMs()).toBe(DAY);
  });

  it('do not pile up alarms for a lane that is told the same again and again', () => {
    const lanes = aLaneSet();
    for (let count = 0; count < 3; count += 1) lanes.setAlarm(lanes.lane('a'), 10);
    lanes.setAlarm(lanes.lane('a'), 20);
    lanes.ring(10);
    expect(lanes.nextAlarmMs()).toBeNull();
    expect(takeAll(lanes)).toEqual(['a']);
  });
});
