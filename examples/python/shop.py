"""Registers a tenant, sends a message, takes a payment in the sandbox and follows the events of it.
Run it with run.sh, which makes the stubs from proto/ and knows the addresses of the running stack."""
import json, os, sys, threading, time, urllib.request, uuid
import grpc
from flowstack.common.v1 import event_log_pb2 as log, event_log_pb2_grpc as log_rpc, money_pb2 as money
from flowstack.gateway.v1 import contact_service_pb2 as contacts, contact_service_pb2_grpc as contacts_rpc
from flowstack.gateway.v1 import message_service_pb2 as messages, message_service_pb2_grpc as messages_rpc
from flowstack.gateway.v1 import tenant_service_pb2 as tenants, tenant_service_pb2_grpc as tenants_rpc
from flowstack.payment.v1 import payment_service_pb2 as payments, payment_service_pb2_grpc as payments_rpc
from flowstack.payment.v1 import provider_account_service_pb2 as accounts, provider_account_service_pb2_grpc as accounts_rpc
from flowstack.payment.v1 import intent_events_pb2 as facts

KEY = [("x-internal-key", os.environ["INTERNAL_KEY"])]  # every call of a service carries it, or the channel has a certificate
CALL = {"metadata": KEY, "timeout": 10}  # … and a deadline
TLS = [open(os.environ[f"GRPC_TLS_{name}_FILE"], "rb").read() for name in ("CA", "KEY", "CERT") if f"GRPC_TLS_{name}_FILE" in os.environ]
gateway, payment = (grpc.secure_channel(address, grpc.ssl_channel_credentials(*TLS)) if TLS else grpc.insecure_channel(address)
                    for address in (os.environ["GATEWAY_GRPC"], os.environ["PAYMENT_GRPC"]))
number, shortcode, phone = str(uuid.uuid4().int)[:15], str(uuid.uuid4().int)[:6], "+2547" + str(uuid.uuid4().int)[:8]
tenant = "py-" + uuid.uuid4().hex[:8]


def sandbox(method, path, body):  # stands in for Meta, Safaricom and the customer
    request = urllib.request.Request(os.environ["SANDBOX_URL"] + path, json.dumps(body).encode(), method=method)
    return urllib.request.urlopen(request, timeout=30).read()


def follow(channel, lane, position, seen):
    """Every event of a lane from a position on, for ever: a broken stream goes on where it stopped."""
    while True:
        try:
            request = log.SubscribeRequest(lane=lane, from_position=position)
            for event in log_rpc.EventLogStub(channel).Subscribe(request, metadata=KEY, timeout=3600):
                seen(event)
                position = event.position + 1  # keep it where a restart of yours finds it
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise
            time.sleep(0.5)


# A shop with its WhatsApp number and its M-Pesa short code.
sandbox("PUT", "/control/numbers", {"phone_number_id": number, "waba_id": "waba-" + tenant, "token": "mock_" + tenant, "name": tenant, "display_phone_number": "254" + number[:9],
        "app_secret": os.environ["META_APP_SECRET"], "webhook_url": os.environ["PUBLIC_BASE_URL"] + "/webhooks/whatsapp"})
sandbox("PUT", "/control/shortcodes", {"shortcode": shortcode, "name": tenant, "passkey": "pass", "consumer_key": "key-" + tenant, "consumer_secret": "secret"})
request = tenants.RegisterTenantRequest(
    tenant_id=tenant, request_id=tenant,
    settings={"name": "Python shop", "country_code": "KE", "time_zone": "Africa/Nairobi", "currency_code": "KES",
              "languages": ["en"], "pack": "ECOMMERCE", "payment_providers": ["mpesa"]},
    channel={"external_id": number, "app_id": os.environ["META_APP_ID"], "credentials": {"access_token": "mock_" + tenant}})
name = tenants_rpc.TenantServiceStub(gateway).RegisterTenant(request, **CALL).name
mpesa = accounts.MpesaCredentials(short_code=shortcode, passkey="pass", consumer_key="key-" + tenant, consumer_secret="secret")
accounts_rpc.ProviderAccountServiceStub(payment).ConnectProviderAccount(accounts.ConnectProviderAccountRequest(parent=name, mpesa=mpesa), **CALL)
print("registered", name)

# Follows the payments' log from here on, a thread for each lane.
paid = threading.Event()
def seen(event):
    if event.tenant == tenant:
        print(f"  payment {event.lane}:{event.position} {event.type.rsplit('.', 1)[1]}")
        if event.type == facts.IntentPaid.DESCRIPTOR.full_name:
            paid.set()
for head in log_rpc.EventLogStub(payment).Heads(log.HeadsRequest(), **CALL).heads:
    threading.Thread(target=follow, args=(payment, head.lane, head.position + 1, seen), daemon=True).start()

# The customer writes, which opens the service window, and gets an answer from us.
sandbox("PUT", "/control/payers/" + phone, {"behaviour": "pay", "delay_ms": 200, "balance": 5000})
sandbox("POST", f"/control/customers/{phone}/say", {"phone_number_id": number, "text": "Hi", "name": "Asha"})
sent = messages_rpc.MessageServiceStub(gateway).SendMessage(messages.SendMessageRequest(
    parent=name, to=phone, content={"text": {"body": "Your repair is ready."}}, request_id="repair-77"), **CALL)
print("sent", sent.name, sent.state)

# A payment of KES 150.00, asked for on their phone. The sandbox's payer knows the PIN.
customer = contacts_rpc.ContactServiceStub(gateway).ResolveContact(contacts.ResolveContactRequest(parent=name, phone=phone), **CALL).customer_id
intent = payments_rpc.PaymentServiceStub(payment).CreatePaymentIntent(payments.CreatePaymentIntentRequest(
    parent=name, request_id="pay-77", customer_id=customer, phone=phone, reference="REPAIR-77", amount=money.Money(minor_units=15000, currency_code="KES")), **CALL)
payments_rpc.PaymentServiceStub(payment).InitiateStkPush(payments.InitiateStkPushRequest(name=intent.name, request_id="push-77"), **CALL)
if not paid.wait(30):
    sys.exit("the payment did not come")
print("paid, receipt", payments_rpc.PaymentServiceStub(payment).GetPayment(payments.GetPaymentRequest(name=intent.name), **CALL).receipt)
