import { randomInt } from 'node:crypto';

const ADJECTIVES =
  'amber brave breezy bright brisk calm candid cheerful clear coastal cosy crisp deft eager early fair fleet gentle glad golden hardy hearty honest jolly keen kind lively lucid merry mellow mild nimble noble patient placid plucky polite proud quick quiet ready serene sharp silver sleek snug spry steady stout sunny swift tidal trim trusty upbeat valiant vivid warm wise witty'.split(
    ' ',
  );

const NOUNS =
  'albatross anchor barque beacon bosun bowsprit breaker brig buoy capstan cape catamaran clipper compass coracle cormorant cove current cutter delta dinghy dock dolphin dory estuary ferry fjord frigate galleon gannet gull halyard harbour haven helm heron isle jetty kayak keel ketch lagoon lantern lugger mast mooring narwhal oar otter pelican petrel pilot porpoise puffin quay reef rudder sail schooner seal sextant shoal skiff sloop sound starboard tern tide tiller trawler tug wharf whale windlass yawl'.split(
    ' ',
  );

/** `brisk_ketch`; from the second attempt on with a digit, so that a name is always found. */
export function randomName(attempt = 0): string {
  const adjective = ADJECTIVES[randomInt(ADJECTIVES.length)] ?? 'fair';
  const noun = NOUNS[randomInt(NOUNS.length)] ?? 'keel';
  const suffix = attempt === 0 ? '' : String(randomInt(10 ** Math.min(attempt, 9)));
  return `${adjective}_${noun}${suffix}`;
}
