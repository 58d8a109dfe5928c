// A service behind the gateway: it registers itself, answers hello and echo, and sends notifies around its answers.
//
//     npm ci && npm run build && npm start -- 127.0.0.1:8092

import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { HealthImplementation } from "grpc-health-check";

import type { ProtoGrpcType } from "./generated/service.js";
import type { GatewayServiceClient } from "./generated/gatesvr/proto/GatewayService.js";
import type { UpstreamServiceHandlers } from "./generated/gatesvr/proto/UpstreamService.js";
import type { UpstreamRequest__Output } from "./generated/gatesvr/proto/UpstreamRequest.js";
import type { UpstreamResponse } from "./generated/gatesvr/proto/UpstreamResponse.js";

const RENEW_EVERY = 5_000; // ms; how often it registers again: a gateway that was restarted remembers nobody
const LEASE = 20; // seconds after which the gateway forgets a service that does not
const TRY_AGAIN = 1_000; // ms; after a registration that failed
const CALL_WITHIN = 5_000; // ms; how long the gateway may take to answer
const STOP_WITHIN = 10_000; // ms; how long a stop waits for what is under way

// The options are those with which the types were made (package.json).
const definition = loadSync(fileURLToPath(new URL("../service.proto", import.meta.url)), {
  longs: String,
  enums: String,
  defaults: true,
});
const { gatesvr } = grpc.loadPackageDefinition(definition) as unknown as ProtoGrpcType;

function log(event: string, fields: Record<string, unknown>): void {
  console.error(JSON.stringify({ event, ...fields }));
}

/** Calls the gateway; the promise is rejected with what went wrong, a refusal included. */
function ask<Answer extends { success?: boolean; errorCode?: string; message?: string }>(
  call: (options: grpc.CallOptions, done: grpc.requestCallback<Answer>) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    call({ deadline: Date.now() + CALL_WITHIN }, (error, answer) => {
      if (error) reject(new Error(error.details || error.message));
      else if (!answer?.success) reject(new Error(`${answer?.errorCode}: ${answer?.message}`));
      else resolve();
    });
  });
}

function dial(address: string): GatewayServiceClient {
  return new gatesvr.proto.GatewayService(address, grpc.credentials.createInsecure());
}

class Service {
  /** Gateways that called, by address. */
  private readonly callers = new Map<string, GatewayServiceClient>();

  /** It registers with `gateway`. */
  constructor(private readonly gateway: GatewayServiceClient) {}

  /** Answers one request of a client. The openid can be relied on: the gateway has checked it. */
  async answer(request: UpstreamRequest__Output): Promise<UpstreamResponse> {
    switch (request.action.toLowerCase()) { // as the gateway routes
      case "hello": // a 200 logs in
        await this.notify(request, "NSH_AFTER_RESPONSE", "welcome", `hello ${request.openid}`);
        return { code: 200, message: "ok", headers: { zone: "1", gid: `g-${request.openid}` } };
      case "echo":
        return { code: 200, message: "ok", data: request.data };
      case "news":
        await this.notify(request, "NSH_BEFORE_RESPONSE", "news", "comes before the answer");
        await this.notify(request, "NSH_AFTER_RESPONSE", "more", "comes behind the answer");
        return { code: 200, message: "ok" };
      default:
        return { code: 404, message: `unknown action ${request.action}` };
    }
  }

  /**
   * The gateway that sent a request, which has the client's session: the header names its address. An own token must be
   * shown at such an address only over TLS; here none is.
   */
  private caller(request: UpstreamRequest__Output): GatewayServiceClient {
    const address = request.headers["gateway"]; // the gateway's own; empty where it does not know one
    if (!address) return this.gateway;
    const known = this.callers.get(address) ?? dial(address);
    this.callers.set(address, known);
    return known;
  }

  close(): void {
    for (const gateway of [this.gateway, ...this.callers.values()]) gateway.close();
  }

  /** Binds a notify to the answer of a request: it goes out with it, right before or right behind it. */
  private async notify(
    request: UpstreamRequest__Output,
    syncHint: "NSH_BEFORE_RESPONSE" | "NSH_AFTER_RESPONSE",
    msgType: string,
    content: string,
  ): Promise<void> {
    const push = {
      targetType: "session",
      targetId: request.sessionId,
      msgType,
      content,
      syncHint,
      bindClientSeqId: request.clientSeqId,
    };
    try {
      await ask((options, done) => this.caller(request).PushToClient(push, options, done));
    } catch (error) {
      log("notify not sent", { kind: msgType, reason: String(error) });
    }
  }

  private register(address: string, deregister: boolean): Promise<void> {
    const request = { address, serviceName: "hello", lease: LEASE, deregister };
    return ask((options, done) => this.gateway.RegisterUpstream(request, options, done));
  }

  /** Registers again and again, and takes it back at the end; it says what changes, and nothing else. */
  async stayRegistered(address: string, stopped: AbortSignal): Promise<void> {
    let said = "";
    let ready = false;
    while (!stopped.aborted) {
      let wait = RENEW_EVERY;
      try {
        await this.register(address, false);
        if (said || !ready) log("registered", { address });
        if (!ready) console.log(`ready ${address}`);
        [said, ready] = ["", true];
      } catch (error) {
        wait = TRY_AGAIN;
        if (String(error) !== said) log("not registered, trying again", { reason: (said = String(error)) });
      }
      await pause(wait, undefined, { signal: stopped }).catch(() => undefined); // the stop ends the pause
    }
    await this.register(address, true).catch((error: unknown) => {
      log("not deregistered", { reason: String(error) });
    });
  }
}

async function main(gatewayAddress: string, listen: string): Promise<void> {
  const service = new Service(dial(gatewayAddress));
  const handlers: UpstreamServiceHandlers = {
    ProcessRequest: (call, done) => {
      service.answer(call.request).then(
        (answer) => done(null, { ...answer, clientSeqId: call.request.clientSeqId }),
        (error: unknown) => {
          log("handler failed", { reason: String(error) });
          done(null, { code: 500, message: "the service failed", clientSeqId: call.request.clientSeqId });
        },
      );
    },
    GetStatus: (_call, done) => done(null, { status: "running" }),
  };
  const server = new grpc.Server();
  const health = new HealthImplementation({ "": "SERVING" });
  health.addToServer(server);
  server.addService(gatesvr.proto.UpstreamService.service, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(listen, grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => (stop.signal.aborted ? process.exit(128 + 15) : stop.abort())); // a second one ends it at once
  }
  await service.stayRegistered(`${listen.slice(0, listen.lastIndexOf(":"))}:${port}`, stop.signal);
  // Nothing new comes any more; what is under way is answered.
  health.setStatus("", "NOT_SERVING");
  const late = setTimeout(() => server.forceShutdown(), STOP_WITHIN);
  await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  clearTimeout(late);
  service.close();
}

main(process.argv[2] ?? "127.0.0.1:8092", process.argv[3] ?? "127.0.0.1:0").catch((error: unknown) => {
  log("the service cannot run", { reason: String(error) });
  process.exitCode = 3;
});
