"""Reads, types and refreshes with the PyPI package `py-dactyl`, unchanged. Prints one word a step; the test waits for
them. Run with ORIGIN, KEY, SERVER in the environment."""

import os

from pydactyl import PterodactylClient

server = os.environ["SERVER"]
client = PterodactylClient(os.environ["ORIGIN"], os.environ["KEY"])
names = [one["attributes"]["identifier"] for one in client.client.servers.list_servers().data]
assert server in names, names
print("listed", flush=True)
assert client.client.servers.get_server(server)["identifier"] == server
used = client.client.servers.get_server_utilization(server)
assert used["current_state"] == "running", used
print("measured", flush=True)
client.client.servers.send_console_command(server, "say by rest")

authenticated = 0
with client.client.servers.get_websocket_client(server, origin=os.environ["ORIGIN"]) as socket:
    for event in socket.listen():
        name, first = event["event"], (event.get("args") or [""])[0]
        if name == "auth success":
            authenticated += 1
            print("authenticated" if authenticated == 1 else "refreshed", flush=True)
            if authenticated == 1:
                socket.send("send logs")
            else:
                socket.send("send command", ["say from pydactyl"])
        elif name == "console output" and first == "said by rest":
            print("history", flush=True)
        elif name == "console output" and first == "said from pydactyl":
            print("answered", flush=True)
            break
