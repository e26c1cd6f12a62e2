// What models predicted at a step, beside what the shopper did.

const VERDICTS = { action: "same action", type: "right type", none: "wrong type", unparsable: "unparsable" };
const DOT_KINDS = { action: "hit", type: "near", none: "miss", unparsable: "invalid" };

function predictionOf(step, setting) {
  return step.predictions.find((each) => each.setting === setting);
}

function predictionDot(step, setting) {
  const found = predictionOf(step, setting);
  return found ? { kind: DOT_KINDS[found.same], label: VERDICTS[found.same] } : { kind: "given", label: "not predicted" };
}

function predictionFacet(settingOf) {
  return {
    label: "Predictions",
    order: ["every step right", "some steps wrong", "no step right", "none"],
    of(session) {
      const found = session.steps.map((step) => predictionOf(step, settingOf())).filter(Boolean);
      const right = found.filter((each) => each.same === "action").length;
      if (!found.length) return ["none"];
      return [right === found.length ? "every step right" : right ? "some steps wrong" : "no step right"];
    },
  };
}

function rewardTable(parts) {
  const details = make("details", "reward");
  details.append(make("summary", "", "Reward " + parts[parts.length - 1].earned));
  const table = make("table"), body = make("tbody");
  for (const part of parts) {
    const row = make("tr"), name = make("th", "", part.part);
    name.scope = "row";
    row.append(name, make("td", "", part.earned), make("td", "", part.reason));
    body.append(row);
  }
  table.append(body);
  details.append(table);
  return details;
}

function completionFold(prediction) {
  const details = make("details", "reward");
  details.append(make("summary", "", "Completion"), make("pre", "completion", prediction.completion));
  return details;
}

function predictionCard(prediction, isShown) {
  const card = make("article", "prediction" + (isShown ? " shown" : ""));
  const header = make("header");
  header.append(make("h4", "", prediction.setting), make("span", "verdict " + DOT_KINDS[prediction.same], VERDICTS[prediction.same]));
  card.append(header);
  if (prediction.did) card.append(make("p", "prediction-did", prediction.did));
  else card.append(make("p", "", prediction.failure || "No action could be read from the completion."));
  if (prediction.rationale) card.append(make("p", "quote", "“" + prediction.rationale + "”"));
  if (!prediction.did && prediction.completion) card.append(completionFold(prediction));
  if (prediction.reward) card.append(rewardTable(prediction.reward));
  const facts = [];
  if (prediction.prompt_tokens) facts.push(prediction.prompt_tokens.toLocaleString("en") + " prompt tokens");
  if (prediction.pages_cut) facts.push(prediction.pages_cut + " earlier pages cut");
  if (facts.length) card.append(make("p", "soft small", facts.join(", ")));
  return card;
}
