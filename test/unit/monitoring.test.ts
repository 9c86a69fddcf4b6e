import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { expressionsOf, readDashboard } from "../support/dashboard.ts";
import { parseExpressions, promtool } from "../support/promtool.ts";
import { ROOT } from "../support/root.ts";

const GRID_COLUMNS = 24;
/** Grafana's own. */
const BUILT_IN = ["__rate_interval", "__interval", "__range"];

describe("Prometheus", () => {
  test("promtool finds nothing wrong with the configuration and its rules", () => {
    expect(promtool("check", "config", join(ROOT, "docker/prometheus/prometheus.yml"))).toContain("SUCCESS");
  });

  test("the alerts fire when they should, and not before", () => {
    promtool("test", "rules", join(ROOT, "test/vectors/alerts.yml"));
  });

  test("an expression that is wrong is found", () => {
    expect(() => parseExpressions(["sum(rate(routectl_x[5m]))", "sum(routectl_x"])).toThrow(/parse/);
  });
});

describe("the Grafana dashboard", () => {
  const dashboard = readDashboard();
  const variables = dashboard.templating.list.map(({ name }) => name);

  test("can be imported: a name and an id of its own, no number of the Grafana that it came from", () => {
    expect(dashboard).toMatchObject({ title: expect.stringMatching(/./), uid: expect.stringMatching(/^[\w-]{1,40}$/) });
    expect(dashboard.id ?? null).toBeNull();
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
  });

  test("has the data source, service and router as variables, and every panel goes by them", () => {
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ["datasource", "datasource"],
      ["service", "query"],
      ["router", "query"],
    ]);
    const source = { type: "prometheus", uid: `\${datasource}` };
    for (const { type, datasource } of dashboard.templating.list) {
      if (type === "query") expect(datasource).toEqual(source);
    }
    for (const { datasource, targets = [] } of dashboard.panels) {
      for (const target of targets) expect(target.datasource ?? datasource).toEqual(source);
    }
  });

  test("names no variable that there is not", () => {
    const named = [...JSON.stringify(dashboard).matchAll(/\$\{?(\w+)/g)].map(([, name]) => name!);
    expect([...new Set(named)].filter((name) => ![...variables, ...BUILT_IN, "__all"].includes(name))).toEqual([]);
    for (const name of variables) expect(named).toContain(name);
  });

  test("each panel has a number, a title and queries of its own, and a place where no other one is", () => {
    const { panels } = dashboard;
    expect(panels.length).toBeGreaterThan(0);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { title, gridPos, targets = [] } of panels) {
      expect(title).not.toBe("");
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(GRID_COLUMNS);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(taken).not.toContain(`${x} ${y}`);
          taken.add(`${x} ${y}`);
        }
      }
    }
  });

  test("promtool parses every expression", () => {
    const expressions = expressionsOf(dashboard);
    expect(expressions.length).toBeGreaterThan(dashboard.panels.length);
    parseExpressions(expressions.map((expr) => expr.replaceAll("$__rate_interval", "1m").replaceAll(/\$\w+/g, ".*")));
  });
});
