import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./root.ts";

interface DataSource {
  readonly type: string;
  readonly uid: string;
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: string | { readonly query: string };
  readonly datasource?: DataSource;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: DataSource;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly refId: string; readonly expr: string; readonly datasource?: DataSource }[];
}

/** What we look at of Grafana's dashboard file. */
export interface Dashboard {
  readonly id?: number | null;
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly Panel[];
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(join(ROOT, "docker/grafana/routectl.json"), "utf8")) as Dashboard;
}

/** The expressions of all panels, and those that variables get their values from, as they are written. */
export function expressionsOf({ panels, templating }: Dashboard): string[] {
  const ofPanels = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const ofVariables = templating.list.flatMap(({ query }) => {
    const [, metric] = /^label_values\((.*), \w+\)$/.exec(typeof query === "string" ? query : query.query) ?? [];
    return metric === undefined ? [] : [metric];
  });
  return [...ofPanels, ...ofVariables];
}

/** The names of metrics of ours in expressions; a histogram is named without the end of its series. */
export function metricsIn(expressions: readonly string[]): Set<string> {
  const names = expressions.flatMap((expression) => expression.match(/\broutectl_\w+/g) ?? []);
  return new Set(names.map((name) => name.replace(/_(bucket|sum|count)$/, "")));
}
