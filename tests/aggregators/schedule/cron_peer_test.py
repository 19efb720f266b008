#!/usr/bin/env python3
"""Ticks of random cron expressions around changes of the clock, against two implementations that share no code with ours.

    cron_peer_test.py [--seed N] [--expressions N]

print_ticks, linked to the code under test, gives the ticks in three days around each change of many zones. They must be
those of

  - the main loop of Debian's cron itself, walked here minute by minute over the clock: always;
  - cronsim (PyPI), which follows Debian's rules too: except where DIFFERENCES says that it does not, and there alone.

cronsim is kept in build/peers/cronsim, or in $RUNLEDGER_PEERS/cronsim. Where it cannot be installed the suite is skipped,
and fails under CI=true.
"""

import argparse
import collections
import datetime
import fcntl
import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time
import zoneinfo

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent.parent
REQUIREMENTS = HERE / "requirements.txt"
PRINT_TICKS = os.environ.get("RUNLEDGER_PRINT_TICKS", ROOT / "build/release/tests/aggregators/schedule/print_ticks")
SUITE = "cron_peer_test"
UTC = datetime.timezone.utc
HOUR = 3600
DAY = 24 * HOUR
MOST_STEPS = 100_000  # of cronsim in a window, which has 4,320 minutes
BEFORE, AFTER = 36 * HOUR, 36 * HOUR  # of a change: what is compared

# Zone and years: every change of the clock in them is taken.
CHANGES = [
    ("America/New_York", 2026, 2026), ("Europe/London", 2026, 2027), ("Australia/Lord_Howe", 2026, 2026),
    ("America/Sao_Paulo", 2018, 2018), ("Pacific/Apia", 2011, 2012), ("Pacific/Chatham", 2026, 2026),
    ("Africa/Cairo", 2024, 2024), ("Asia/Beirut", 2022, 2022), ("Antarctica/Troll", 2026, 2026),
    ("Africa/Casablanca", 2026, 2026), ("Europe/Dublin", 2026, 2026), ("America/St_Johns", 2006, 2006),
    ("America/Havana", 2026, 2026), ("America/Scoresbysund", 2024, 2024), ("Atlantic/Azores", 2026, 2026),
    ("Asia/Tehran", 2021, 2022), ("Asia/Kathmandu", 1985, 1986), ("America/Caracas", 2007, 2016),
    ("Asia/Pyongyang", 2015, 2018), ("Pacific/Kwajalein", 1993, 1993), ("Antarctica/Casey", 2009, 2020),
    ("Europe/Simferopol", 2014, 2014), ("America/Santiago", 2026, 2026), ("Asia/Gaza", 2022, 2023),
]
# Days without a change: leap days, ends of years.
QUIET = [("Asia/Kolkata", 2026, 3, 8), ("Asia/Kolkata", 2027, 12, 31), ("America/New_York", 2028, 2, 29),
         ("UTC", 2028, 2, 29), ("UTC", 2026, 12, 31), ("UTC", 2100, 2, 28), ("Europe/London", 2027, 12, 31)]

# Where cronsim 2.8 does other than Debian's cron. A case: is it of the clock (minute or hour begins with a star), the
# change in seconds, and what the clock showed at the change, in seconds of the day, before and after.
DIFFERENCES = {
    "jumps of three hours and more are no correction to it: it makes up for what they skip":
        lambda c: not c.of_clock and c.change >= 3 * HOUR,
    "it steps by whole hours of UTC and loses its place where the clock is changed by part of an hour or within one":
        lambda c: c.of_clock and (c.change % HOUR != 0 or c.clock_before % HOUR != 0),
    "it starts a day at midnight even where the change skipped midnight, or went back across it":
        lambda c: c.of_clock and (min(c.clock_before, c.clock_after) == 0 or c.clock_after - c.clock_before != c.change),
}

Window = collections.namedtuple("Window", "zone change_at change start end")
Case = collections.namedtuple("Case", "of_clock change clock_before clock_after")


def offset(zone, at):
    return int(datetime.datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset().total_seconds())


def windows():
    for name, first, last in CHANGES:
        zone = zoneinfo.ZoneInfo(name)
        at = int(datetime.datetime(first, 1, 1, tzinfo=UTC).timestamp())
        end = int(datetime.datetime(last + 1, 1, 1, tzinfo=UTC).timestamp())
        found = 0
        while at < end:
            if offset(zone, at) != offset(zone, at + DAY):
                low, high = at, at + DAY
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if offset(zone, middle) == offset(zone, low) else (low, middle)
                yield Window(name, high, offset(zone, high) - offset(zone, low), high - BEFORE, high + AFTER)
                found += 1
            at += DAY
        if not found:
            raise AssertionError(f"the time zone database has no change of {name} in {first}..{last}")
    for name, *date in QUIET:
        at = int(datetime.datetime(*date, tzinfo=zoneinfo.ZoneInfo(name)).timestamp())
        yield Window(name, None, 0, at - BEFORE, at + AFTER)


class Cron:
    """Debian's main loop over a window, once for all expressions: the minutes at which it looks for jobs, each with what its
    clock then says. `wild` is for jobs with a star in minute or hour, `fixed` for the others."""

    def __init__(self, window):
        zone = zoneinfo.ZoneInfo(window.zone)
        self.wild, self.fixed = [], []
        start = window.start - 2 * DAY
        virtual = (start + offset(zone, start)) // 60 - 1
        for at in range(start - start % 60, window.end, 60):
            now = (at + offset(zone, at)) // 60
            late = now - virtual
            if late == 1 or late > 180 or late <= -180:  # in time, or set by hand
                self.look(self.wild, window, at, now)
                self.look(self.fixed, window, at, now)
                virtual = now
            else:
                self.look(self.wild, window, at, now)
                while virtual < now:
                    virtual += 1
                    self.look(self.fixed, window, at, virtual)

    @staticmethod
    def look(jobs, window, at, minute):
        if window.start <= at < window.end:
            clock = datetime.datetime.fromtimestamp(minute * 60, UTC)
            jobs.append((at, clock.minute, clock.hour, clock.day, clock.month, clock.isoweekday()))

    def ticks(self, parsed, of_clock):
        """`parsed`: cronsim's reading of the fields; what they mean is decided here."""
        minutes, hours, days, months, weekdays = parsed.minutes, parsed.hours, parsed.days, parsed.months, parsed.weekdays
        weekdays = {day % 7 or 7 for day in weekdays}
        both = parsed.parts[3].startswith("*") or parsed.parts[5].startswith("*")
        found = set()
        for at, minute, hour, day, month, weekday in self.wild if of_clock else self.fixed:
            if minute in minutes and hour in hours and month in months:
                if (day in days and weekday in weekdays) if both else (day in days or weekday in weekdays):
                    found.add(at)
        return sorted(found)


MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()


class Expressions:
    """Random expressions that have something to do near a window's change."""

    def __init__(self, rng):
        self.rng = rng

    def number(self, low, high, near):
        return self.rng.choice(near) if near and self.rng.random() < 0.7 else self.rng.randint(low, high)

    def term(self, low, high, near):
        kind = self.rng.random()
        one = self.number(low, high, near)
        if kind < 0.5:
            return str(one)
        other = min(high, one + self.rng.randint(0, max(1, (high - low) // 3)))
        if kind < 0.7 or one == other:  # cronsim reads 2-2/5 as 2/5; Debian's cron does not: see refusals()
            return f"{one}-{other}"
        step = self.rng.randint(1, max(1, (high - low) // 2))
        return f"{one}-{other}/{step}" if kind < 0.9 else f"{one}/{step}"

    def field(self, low, high, star, near=()):
        if self.rng.random() < star:
            return "*" if self.rng.random() < 0.6 else f"*/{self.rng.randint(1, high)}"
        terms = [self.term(low, high, near) for _ in range(self.rng.choice((1, 1, 1, 2, 3)))]
        if self.rng.random() < 0.03:
            terms.append("*")  # a star that does not begin the field
        return ",".join(terms)

    def named(self, low, high, names, star, near=()):
        if self.rng.random() < 0.2:
            first = self.rng.randrange(len(names))
            word = names[first]
            if self.rng.random() < 0.4:
                word += "-" + names[self.rng.randint(first, len(names) - 1)]
            return self.rng.choice((word, word.upper(), word.title()))
        return self.field(low, high, star, near)

    def make(self, window):
        local = [datetime.datetime.fromtimestamp(at, zoneinfo.ZoneInfo(window.zone))
                 for at in (window.change_at or window.start + BEFORE, (window.change_at or window.start + BEFORE) - 1)]
        hours = sorted({(clock.hour + add) % 24 for clock in local for add in (-1, 0, 1)} | {0, 1, 2, 3})
        return " ".join((
            self.field(0, 59, 0.2, (0, 1, 15, 29, 30, 31, 45, 59)),
            self.field(0, 23, 0.25, hours),
            self.field(1, 31, 0.65, [clock.day for clock in local]),
            self.named(1, 12, MONTHS, 0.75, [clock.month for clock in local]),
            self.named(0, 7, DAYS, 0.65, [clock.isoweekday() for clock in local])))


def ours(questions):
    asked = "".join(f"{w.start} {w.end} {w.zone} {text}\n" for w, text in questions)
    done = subprocess.run([PRINT_TICKS], input=asked, capture_output=True, text=True, check=True)
    answers = done.stdout.split("\n")[:-1]
    assert len(answers) == len(questions), (len(answers), len(questions))
    return answers


def theirs(cronsim, window, text):
    """cronsim's ticks in the window; None: it goes round and round at the change, as its loop of hours can."""

    class Lost(Exception):
        pass

    class Bounded(cronsim.CronSim):
        steps = 0

        def tick(self, seconds=1):
            self.steps += 1
            if self.steps > MOST_STEPS:
                raise Lost
            super().tick(seconds)

    zone = zoneinfo.ZoneInfo(window.zone)
    found = set()
    before = datetime.datetime.fromtimestamp(window.start - 1, UTC).astimezone(zone)
    try:
        for tick in Bounded(text, before):
            at = int(tick.timestamp())
            if at >= window.end:
                break
            if at >= window.start:
                found.add(at)
    except Lost:
        return None
    return sorted(found)


def excuse(window, text):
    if window.change_at is None:
        return None
    minute, hour = text.split()[:2]
    zone = zoneinfo.ZoneInfo(window.zone)
    shown = (window.change_at + offset(zone, window.change_at)) % DAY
    case = Case(minute.startswith("*") or hour.startswith("*"), window.change, (shown - window.change) % DAY, shown)
    return next((why for why, applies in DIFFERENCES.items() if applies(case)), None)


def show(ticks, zone):
    zone = zoneinfo.ZoneInfo(zone)
    return [datetime.datetime.fromtimestamp(at, zone).strftime("%m-%d %H:%M%z") for at in ticks]


def compare(cronsim, seed, count):
    rng = random.Random(seed)
    expressions = Expressions(rng)
    every = list(windows())
    questions = [(window, expressions.make(window)) for window in (every[n % len(every)] for n in range(count))]
    crons = {}
    excused, wrong, ticks, refused = collections.Counter(), [], 0, 0
    for (window, text), answer in zip(questions, ours(questions)):
        try:
            parsed = cronsim.CronSim(text, datetime.datetime(2026, 1, 1))
        except cronsim.CronSimError:
            parsed = None
        if answer.startswith("error") or parsed is None:
            refused += 1
            if not (answer.startswith("error") and parsed is None):
                wrong.append(f"{text}: we say {answer!r}, cronsim {'accepts' if parsed else 'refuses'} it")
            continue
        mine = [int(at) for at in answer.split()]
        ticks += len(mine)
        if window not in crons:
            crons[window] = Cron(window)
        minute, hour = text.split()[:2]
        loop = crons[window].ticks(parsed, minute.startswith("*") or hour.startswith("*"))
        if mine != loop:
            apart = sorted(set(mine) ^ set(loop))
            wrong.append(f"{window.zone} {text}: not as Debian's loop, which has {len(loop)} ticks, we {len(mine)}; "
                         f"apart at {show(apart[:8], window.zone)}")
        peer = theirs(cronsim, window, text)
        if mine != peer:
            why = excuse(window, text)
            apart = sorted(set(mine) ^ set(peer)) if peer is not None else []
            if why is None or any(abs(at - window.change_at) > 26 * HOUR for at in apart):
                wrong.append(f"{window.zone} {text}: not as cronsim, which has {'no end' if peer is None else len(peer)} ticks, we {len(mine)}; "
                             f"apart at {show(apart[:8], window.zone)}")
            else:
                excused[why] += 1
    return len(every), ticks, refused, excused, wrong


def refusals(cronsim):
    """What one of us takes for a schedule and the other does not."""
    both = ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 0 *", "* * * 13 *", "* * * * 8", "*/0 * * * *",
            "5-1 * * * *", "* * * * fri-sun", "* * * *", "", "a * * * *", "0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "1,,2 * * * *",
            "-1 * * * *", "1- * * * *", "* * * foo *", "0 0 31 4 */2"]
    only_cronsim = ["*/60 * * * *", "* */24 * * *", "0 0 L * *", "0 0 LW * *", "0 0 * * 5L", "0 0 * * 1#2", "0 0 0 * * *"]
    only_we = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"]
    wrong = []
    window = Window("UTC", None, 0, 0, DAY)
    one_hour = ours([(window, "0 2-2/5 * * *")])
    if one_hour != [str(2 * HOUR)]:
        wrong.append(f"2-2/5 is the number 2 alone, we say {one_hour}")
    texts = both + only_cronsim + only_we
    for text, answer in zip(texts, ours([(window, text) for text in texts])):
        try:
            cronsim.CronSim(text, datetime.datetime(2026, 1, 1))
            accepted = True
        except cronsim.CronSimError:
            accepted = False
        expected = (text in only_we, text in only_cronsim)
        if (not answer.startswith("error"), accepted) != expected:
            wrong.append(f"{text!r}: we say {answer!r}, cronsim {'accepts' if accepted else 'refuses'} it")
    return wrong


def install():
    """cronsim's environment; returns its Python. RuntimeError: it cannot be had here."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    cache = pathlib.Path(os.environ.get("RUNLEDGER_PEERS") or ROOT / "build" / "peers") / "cronsim"
    venv, log = cache / "venv", cache / "install.log"
    mark = venv / "requirements.sha256"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mark.exists() and mark.read_text() == wanted:
            return venv / "bin" / "python"
        shutil.rmtree(venv, ignore_errors=True)
        with open(log, "wb") as out:
            for command in ([sys.executable, "-m", "venv", venv],
                            [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                             "--requirement", REQUIREMENTS]):
                done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, check=False)
                if done.returncode != 0:
                    lines = log.read_text(errors="replace").strip().splitlines()
                    raise RuntimeError(f"cronsim could not be installed ({log}): {lines[-1] if lines else 'no reason given'}")
        mark.write_text(wanted)
        return venv / "bin" / "python"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--expressions", type=int, default=10_000)
    arguments = parser.parse_args()
    try:
        import cronsim
    except ImportError:
        try:
            python = install()
        except RuntimeError as reason:
            print(f"SKIPPED: {SUITE}: {reason}")
            sys.exit(1 if os.environ.get("CI") == "true" else 0)
        os.execv(python, [python, __file__, "--seed", str(arguments.seed), "--expressions", str(arguments.expressions)])
    print(f"seed {arguments.seed}", flush=True)
    begin = time.monotonic()
    wrong = refusals(cronsim)
    count, ticks, refused, excused, more = compare(cronsim, arguments.seed, arguments.expressions)
    wrong += more
    print(f"{arguments.expressions} expressions ({refused} refused by both), {count} windows, {ticks} ticks, "
          f"{time.monotonic() - begin:.1f} s; {sum(excused.values())} where cronsim is not as Debian's cron:")
    for why, times in excused.items():
        print(f"  {times:5} {why}")
    for line in wrong[:50]:
        print(f"WRONG {line}")
    if wrong:
        sys.exit(f"{len(wrong)} wrong; again with --seed {arguments.seed}")
    print("[  PASSED  ] 2 tests.")


if __name__ == "__main__":
    main()
