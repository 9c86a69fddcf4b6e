import { parse, type Spec, View } from "vega";

/** Horizontal bars with their values; a label may have a bar for each group. */
export interface BarChart {
  /** Its file's name, without the ending. */
  readonly file: string;
  readonly title: string;
  readonly bars: readonly Bar[];
  /** Whether each step of the axis is ten times the one before, for values that lie far apart. */
  readonly logarithmic?: boolean;
}

export interface Bar {
  readonly label: string;
  /** Such as `p50`; bars of a group have a colour. */
  readonly group: string;
  readonly value: number;
}

const BAR_HEIGHT = 18;
const WIDTH = 560;

/** The chart as an SVG document. */
export function drawBars({ title, bars, logarithmic = false }: BarChart): Promise<string> {
  const groups = new Set(bars.map(({ group }) => group));
  const labels = new Set(bars.map(({ label }) => label));
  // A logarithmic axis has no zero: it begins a step below the least value.
  const origin = logarithmic ? 10 ** (Math.floor(Math.log10(Math.min(...bars.map(({ value }) => value)))) - 1) : 0;
  const domain = [origin, Math.max(...bars.map(({ value }) => value))];
  const middle = { signal: "bandwidth('inner') / 2" };
  const spec: Spec = {
    background: "white",
    padding: 12,
    width: WIDTH,
    height: labels.size * (groups.size * BAR_HEIGHT + BAR_HEIGHT / 2),
    title: { text: title, anchor: "start", frame: "group", offset: 12 },
    config: { text: { font: "sans-serif" }, title: { font: "sans-serif", fontSize: 13 } },
    data: [{ name: "bars", values: bars.map((bar) => ({ ...bar, text: textOf(bar.value) })) }],
    scales: [
      { name: "label", type: "band", domain: [...labels], range: "height", padding: 0.15 },
      { name: "inner", type: "band", domain: [...groups], range: [0, { signal: "bandwidth('label')" }] },
      { name: "value", type: logarithmic ? "log" : "linear", domain, range: "width", nice: true },
      { name: "colour", type: "ordinal", domain: [...groups], range: ["#2f6f9f", "#e08a3c", "#7a9a4e"] },
    ],
    axes: [
      {
        scale: "label",
        orient: "left",
        ticks: false,
        domain: false,
        labelFont: "sans-serif",
        labelFontSize: 12,
        labelLimit: 0,
      },
      { scale: "value", orient: "bottom", grid: true, tickCount: 6, labelFont: "sans-serif" },
    ],
    marks: [
      {
        type: "group",
        from: { facet: { data: "bars", name: "ofLabel", groupby: "label" } },
        encode: { enter: { y: { scale: "label", field: "label" } } },
        marks: [
          {
            type: "rect",
            from: { data: "ofLabel" },
            encode: {
              enter: {
                y: { scale: "inner", field: "group" },
                height: { scale: "inner", band: 0.9 },
                x: { scale: "value", value: origin },
                x2: { scale: "value", field: "value" },
                fill: { scale: "colour", field: "group" },
              },
            },
          },
          {
            type: "text",
            from: { data: "ofLabel" },
            encode: {
              enter: {
                x: { scale: "value", field: "value", offset: 4 },
                y: { scale: "inner", field: "group", offset: middle },
                text: { field: "text" },
                baseline: { value: "middle" },
                fontSize: { value: 11 },
              },
            },
          },
        ],
      },
    ],
    ...(groups.size > 1 ? { legends: [{ fill: "colour", orient: "bottom", direction: "horizontal" }] } : {}),
  };
  return new View(parse(spec), { renderer: "none" }).toSVG();
}

function textOf(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}
