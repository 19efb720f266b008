"""An instance that is told to end while its group cannot agree: it has been taken as a member, and has no partitions yet.

The group's leader is this test, which joins and then never says who gets what, as one does that was killed just then.
"""

import socket
import struct
import time

import harness
from harness import wait_until

FIND_COORDINATOR, JOIN_GROUP = 10, 11
SESSION_MS = 30_000


def text(value):
    value = value.encode()
    return struct.pack(">h", len(value)) + value


class Leader:
    """A member of a group by hand: requests of version 0, one at a time."""

    def __init__(self, bootstrap, group, topic):
        host, port = bootstrap.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=90)
        self.stream = self.socket.makefile("rb")
        self.group = group
        self.subscription = struct.pack(">hi", 0, 1) + text(topic) + struct.pack(">i", -1)
        self.member = ""

    def ask(self, request, body):
        message = struct.pack(">hhi", request, 0, 1) + text("leader") + body
        self.socket.sendall(struct.pack(">i", len(message)) + message)
        return self.stream.read(struct.unpack(">i", self.stream.read(4))[0])[4:]

    def coordinator_is_there(self):
        return struct.unpack_from(">h", self.ask(FIND_COORDINATOR, text(self.group)))[0] == 0

    def send_join(self):
        body = (text(self.group) + struct.pack(">i", SESSION_MS) + text(self.member) + text("consumer") + struct.pack(">i", 1) +
                text("cooperative-sticky") + struct.pack(">i", len(self.subscription)) + self.subscription)
        answer = self.ask(JOIN_GROUP, body)
        error, = struct.unpack_from(">h", answer)
        at, names = 6, []  # behind the error and the generation
        for _ in range(3):  # protocol, leader, member
            length, = struct.unpack_from(">h", answer, at)
            names.append(answer[at + 2:at + 2 + length].decode())
            at += 2 + length
        self.leader, self.member = names[1], names[2]
        members, = struct.unpack_from(">i", answer, at)
        return error, members

    def close(self):
        self.stream.close()
        self.socket.close()


class JoinTest(harness.SystemTest):
    def test_ends_while_the_group_has_not_agreed(self):
        config = self.config()
        self.make_topics(config)
        leader = Leader(self.broker.bootstrap, self.topic, self.topic)
        self.addCleanup(leader.close)
        wait_until(leader.coordinator_is_there, "the group has a coordinator")
        wait_until(lambda: leader.send_join() == (0, 1), "the test leads the group")
        instance = self.serve(config).start().wait_listening()
        wait_until(lambda: leader.send_join() == (0, 2), "the instance is a member")
        self.assertEqual(leader.leader, leader.member)
        time.sleep(0.5)  # for the answer to arrive there too; nothing tells. Without it the test would only see less
        self.assertEqual(instance.status("/readyz"), 503)
        self.assertEqual(instance.stop(), 0, instance.text())
        self.assertIn("stopped", instance.text())
        self.assertNotIn("taken, reading", instance.text())


if __name__ == "__main__":
    harness.main()
