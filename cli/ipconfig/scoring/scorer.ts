import type { Policy, ScoreCoefficients } from "../../../lua/core/types.ts";
import { scoredWeight } from "../../../lua/core/weights.ts";
import type { Instance } from "../../store/schemas.ts";
import { FIGURE_NAMES, type Sample, type ServiceStatus } from "../../store/status.ts";
import { type Damped, damp, FLOOR, slowStartFactor } from "./damping.ts";
import {
  DEFAULT_COEFFICIENTS,
  type Features,
  featuresOf,
  type Means,
  type Medians,
  medianOf,
  scoreOf,
} from "./model.ts";
import { chooseTop } from "./top.ts";
import { createWindow, DEFAULT_SLOTS, meanOf, presenceOf, pushSlot, type Window } from "./window.ts";

const DEFAULT_SLOW_START_MS = 10_000;

/** A list is published anew only when a weight has moved by this part of itself. */
const NOTABLE_CHANGE = 0.02;

const SILENT = FIGURE_NAMES.length;

interface InstanceState extends Damped {
  window: Window;
  /** Since when it is there, or is back; the beginning of its slow start. */
  since: number;
  down: boolean;
  reason: string | undefined;
  /** Not until its first sample, nor any more when it was not asked for the length of a window: its score is neutral. */
  scored: boolean;
  unaskedTicks: number;
  features: Features | undefined;
  presence: number;
  raw: number;
  /** What the list says, 0..1. */
  effective: number;
  publishedWeight: number;
}

/** One term of a score, as `routectl score show` prints it. */
export interface ScoreReport {
  readonly id: string;
  readonly state: "up" | "down" | "unscored";
  readonly reason: string | undefined;
  readonly means: Means;
  readonly features: Features | undefined;
  readonly presence: number;
  readonly raw: number;
  readonly damped: number;
  readonly score: number;
}

/** The scores of one service's instances. Time comes in as an argument, milliseconds on any steady clock. */
export interface ServiceScorer {
  /**
   * Takes one interval's samples.
   * @param adopt the first scores count at once, instead of being approached from neutral: reporting was under way before
   * @returns whether a weight has moved so far that the list should be published
   */
  tick(
    status: ServiceStatus,
    instances: ReadonlyMap<string, Instance>,
    policy: Policy,
    nowMs: number,
    adopt: boolean,
  ): boolean;
  /** Nobody reports any more, which is no news: every score is neutral. @returns whether that changes a weight */
  forget(instances: ReadonlyMap<string, Instance>): boolean;
  /** 0..1; 1 for an instance that nobody reports for, once its slow start is over. */
  scoreOf(id: string): number;
  /** Whether an instance is on the list, by `policy.top`. */
  isChosen(id: string): boolean;
  readonly coefficients: ScoreCoefficients;
  report(): ScoreReport[];
}

export function createServiceScorer(): ServiceScorer {
  const states = new Map<string, InstanceState>();
  const values = new Float64Array(FIGURE_NAMES.length + 1);
  let coefficients = DEFAULT_COEFFICIENTS;
  let chosen: Set<string> | undefined;
  let first = true;
  /** The score of an instance that was registered after the last tick. */
  let scoreOfNewcomer = 1;

  const stateOf = (id: string, nowMs: number, instance: Instance): InstanceState => {
    let state = states.get(id);
    if (state === undefined) {
      // Those that are there when reporting begins are not new.
      const since = first ? Number.NEGATIVE_INFINITY : nowMs;
      state = { ...nothingHeard(since), publishedWeight: instance.weight };
      states.set(id, state);
    }
    return state;
  };

  const take = (state: InstanceState, sample: Sample | undefined, nowMs: number): void => {
    if (sample === undefined) {
      // Nobody asks it. (One that is asked, and says nothing, has a sample that says so.)
      state.unaskedTicks++;
      const isForgotten = state.scored && state.unaskedTicks >= DEFAULT_SLOTS;
      if (isForgotten) Object.assign(state, nothingHeard(Number.NEGATIVE_INFINITY));
      return;
    }
    state.unaskedTicks = 0;
    if (sample.state === "down") {
      state.down = true;
      state.scored = true;
      state.reason = sample.reason;
      return;
    }
    // It is back: what was before says nothing, and it starts slowly.
    if (state.down) Object.assign(state, nothingHeard(nowMs));
    const speaks = sample.state === "up";
    for (let figure = 0; figure < FIGURE_NAMES.length; figure++) {
      values[figure] = speaks ? (sample[FIGURE_NAMES[figure]!] ?? Number.NaN) : Number.NaN;
    }
    values[SILENT] = speaks ? 1 : Number.NaN;
    pushSlot(state.window, values);
    state.scored = true;
  };

  const evaluate = (instances: ReadonlyMap<string, Instance>, policy: Policy, nowMs: number, adopt: boolean): void => {
    coefficients = { ...DEFAULT_COEFFICIENTS, ...policy.score };
    const medians: Medians = { latencyMs: medianOfFigure("latencyMs"), inFlight: medianOfFigure("inFlight") };
    const slowStartMs = policy.slowStartMs ?? DEFAULT_SLOW_START_MS;
    scoreOfNewcomer = slowStartFactor(0, slowStartMs);
    for (const [id, state] of states) {
      if (state.down) continue;
      if (!state.scored) {
        state.effective = slowStartFactor(nowMs - state.since, slowStartMs);
        continue;
      }
      const instance = instances.get(id)!;
      const capacity = Number(instance.metadata.capacity ?? Number.NaN);
      state.features = featuresOf(meansOf(state.window), medians, capacity > 0 ? capacity : undefined);
      state.presence = presenceOf(state.window, SILENT);
      state.raw = scoreOf(state.features, coefficients, state.presence);
      if (adopt) state.damped = Math.max(FLOOR, state.raw);
      else damp(state, state.raw);
      state.effective = state.damped * slowStartFactor(nowMs - state.since, slowStartMs);
    }
    // Everybody down at once is more likely a blind exporter than a dead service.
    const alive = [...states].some(([id, state]) => !state.down && instances.get(id)!.weight > 0);
    for (const state of states.values()) if (state.down) state.effective = alive ? 0 : 1;
  };

  const medianOfFigure = (name: "latencyMs" | "inFlight"): number => {
    const figure = FIGURE_NAMES.indexOf(name);
    const means: number[] = [];
    for (const state of states.values()) {
      const mean = state.scored && !state.down ? meanOf(state.window, figure) : undefined;
      if (mean !== undefined) means.push(mean);
    }
    return medianOf(means);
  };

  const choose = (count: number | undefined, instances: ReadonlyMap<string, Instance>): void => {
    if (count === undefined) {
      chosen = undefined;
      return;
    }
    // One that an operator has taken out by its weight is idle, and would always be the best.
    const ranked = [...states].filter(([id]) => instances.get(id)!.weight > 0);
    chosen = chooseTop(new Map(ranked.map(([id, state]) => [id, state.effective])), count, chosen ?? new Set());
  };

  /** Whether some weight has moved notably since the list was published; if so, what it is now counts as published. */
  const movedNotably = (instances: ReadonlyMap<string, Instance>): boolean => {
    let moved = false;
    for (const [id, state] of states) {
      const weight = weightNow(id, state, instances.get(id)!.weight);
      const change = Math.abs(weight - state.publishedWeight);
      if (change > 0 && change >= state.publishedWeight * NOTABLE_CHANGE) moved = true;
    }
    if (moved) {
      for (const [id, state] of states) state.publishedWeight = weightNow(id, state, instances.get(id)!.weight);
    }
    return moved;
  };

  const weightNow = (id: string, state: InstanceState, baseWeight: number): number =>
    chosen === undefined || chosen.has(id) ? scoredWeight(baseWeight, state.effective) : 0;

  return {
    tick: (status, instances, policy, nowMs, adopt) => {
      for (const id of states.keys()) if (!instances.has(id)) states.delete(id);
      for (const [id, instance] of instances) take(stateOf(id, nowMs, instance), status.samples.get(id), nowMs);
      first = false;
      evaluate(instances, policy, nowMs, adopt);
      choose(policy.top, instances);
      return movedNotably(instances);
    },
    forget: (instances) => {
      let changed = false;
      for (const [id, state] of states) {
        const base = instances.get(id)?.weight;
        if (base !== undefined && weightNow(id, state, base) !== scoredWeight(base, 1)) changed = true;
      }
      states.clear();
      chosen = undefined;
      first = true;
      scoreOfNewcomer = 1;
      return changed;
    },
    scoreOf: (id) => states.get(id)?.effective ?? scoreOfNewcomer,
    isChosen: (id) => chosen === undefined || chosen.has(id),
    get coefficients() {
      return coefficients;
    },
    report: () =>
      [...states].map(([id, state]) => ({
        id,
        state: state.down ? "down" : state.scored ? "up" : "unscored",
        reason: state.reason,
        means: meansOf(state.window),
        features: state.features,
        presence: state.presence,
        raw: state.raw,
        damped: state.damped,
        score: state.effective,
      })),
  };
}

/** An instance of which nothing was heard, or of which what was heard counts no more. */
function nothingHeard(since: number): Omit<InstanceState, "publishedWeight"> {
  return {
    window: createWindow(FIGURE_NAMES.length + 1),
    damped: 1,
    isFalling: false,
    since,
    down: false,
    reason: undefined,
    scored: false,
    unaskedTicks: 0,
    features: undefined,
    presence: 1,
    raw: 1,
    effective: 1,
  };
}

function meansOf(window: Window): Means {
  const mean = (name: (typeof FIGURE_NAMES)[number]): number | undefined => meanOf(window, FIGURE_NAMES.indexOf(name));
  return {
    cpu: mean("cpu"),
    memory: mean("memory"),
    requestsPerSecond: mean("requestsPerSecond"),
    errorsPerSecond: mean("errorsPerSecond"),
    latencyMs: mean("latencyMs"),
    inFlight: mean("inFlight"),
  };
}
