import { escapeText } from "../../lua/core/text.ts";
import { type CatalogService, policyOf } from "../store/catalog.ts";
import { decodeStatus, type Sample, type ServiceStatus } from "../store/status.ts";
import { createServiceScorer, type ScoreReport, type ServiceScorer } from "./scoring/scorer.ts";

/** The scores of all services, from the samples that exporters put into etcd. */
export interface Scoreboard {
  /**
   * Takes what an exporter has put for a service, or that it is gone.
   * @param first it was there when this ipconfig started: its scores count at once
   * @returns whether weights have moved so far that the list should be published
   */
  take(
    service: string,
    exporter: string,
    value: string | undefined,
    found: CatalogService | undefined,
    first: boolean,
  ): boolean;
  /** etcd's data is another one: what exporters have said before counts no more. */
  reset(): void;
  /** 0..1; 1 for an instance that nobody reports for, once its slow start is over. */
  scoreOf(service: string, id: string): number;
  /** Whether `policy.top` leaves an instance on the list. */
  isChosen(service: string, id: string): boolean;
  /** How each score came about; empty for a service that nobody reports for. */
  report(service: string): ScoreReport[];
  coefficientsOf(service: string): ServiceScorer["coefficients"] | undefined;
}

interface ServiceScores {
  readonly scorer: ServiceScorer;
  readonly exporters: Map<string, { status: ServiceStatus; takenAt: number }>;
  tickedAt: number;
}

/** An exporter's clock that differs by more than this from ours is worth a warning; what it says is used all the same. */
const CLOCK_TOLERANCE_MS = 10_000;

const MAX_AGE_MS = 5000;
const MAX_AGE_INTERVALS = 3;

/**
 * @param now a steady clock, milliseconds
 * @param onProblem called with something that was left out or clamped; `key` is the same when it happens again
 */
export function createScoreboard(now: () => number, onProblem: (key: string, text: string) => void): Scoreboard {
  const services = new Map<string, ServiceScores>();

  const take: Scoreboard["take"] = (service, exporter, value, found, first) => {
    const known = services.get(service);
    if (value === undefined || found === undefined) {
      known?.exporters.delete(exporter);
      if (known === undefined || known.exporters.size > 0) return false;
      services.delete(service);
      return found !== undefined && known.scorer.forget(found.instances);
    }
    const status = decodeStatus(value, (id, figure, bad) =>
      onProblem(
        `${service} ${id} ${figure}`,
        `${service}/${id}: ${figure} ${escapeText(String(bad))} left out or clamped`,
      ),
    );
    if (status === undefined) {
      onProblem(`${service} ${exporter}`, `what exporter ${exporter} says of ${service} is not a status: ignored`);
      return false;
    }
    if (Math.abs(status.at - Date.now()) > CLOCK_TOLERANCE_MS) {
      onProblem(
        `clock ${exporter}`,
        `the clock of exporter ${exporter} differs from ours by ${Math.round((status.at - Date.now()) / 1000)} s`,
      );
    }
    for (const id of status.samples.keys()) {
      if (!found.instances.has(id)) {
        onProblem(
          `${service} ${id} unknown`,
          `exporter ${exporter} reports ${escapeText(id)}, which is no instance of ${service}`,
        );
      }
    }
    const scores = known ?? { scorer: createServiceScorer(), exporters: new Map(), tickedAt: Number.NEGATIVE_INFINITY };
    services.set(service, scores);
    scores.exporters.set(exporter, { status, takenAt: now() });
    // What was not renewed is out of date, though nobody told that it is gone.
    const maxAgeMs = Math.max(MAX_AGE_MS, status.intervalMs * MAX_AGE_INTERVALS);
    for (const [id, { takenAt }] of scores.exporters) if (now() - takenAt > maxAgeMs) scores.exporters.delete(id);
    // Two exporters may report the same service while it changes hands: that makes one tick an interval all the same.
    if (now() - scores.tickedAt < status.intervalMs / 2) return false;
    scores.tickedAt = now();
    return scores.scorer.tick(merged(scores.exporters, status), found.instances, policyOf(found), now(), first);
  };

  return {
    take,
    reset: () => services.clear(),
    scoreOf: (service, id) => services.get(service)?.scorer.scoreOf(id) ?? 1,
    isChosen: (service, id) => services.get(service)?.scorer.isChosen(id) ?? true,
    report: (service) => services.get(service)?.scorer.report() ?? [],
    coefficientsOf: (service) => services.get(service)?.scorer.coefficients,
  };
}

/** All that is known of the instances; where two exporters differ, one that has an answer knows more. */
function merged(exporters: ServiceScores["exporters"], newest: ServiceStatus): ServiceStatus {
  if (exporters.size === 1) return newest;
  const samples = new Map<string, Sample>();
  for (const { status } of exporters.values()) {
    for (const [id, sample] of status.samples) {
      if (sample.state === "up" || samples.get(id)?.state !== "up") samples.set(id, sample);
    }
  }
  return { ...newest, samples };
}
