// Registers a tenant, sends a message, takes a payment in the sandbox and follows the events of it.
// Run it with run.sh, which makes the stubs from proto/ and knows the addresses of the running stack.
package main

import (
	"fmt"
	"log"
	"math/rand"
	"os"
	"strings"
	"time"

	common "example/gen/common"
	gateway "example/gen/gateway"
	payment "example/gen/payment"
)

func main() {
	id := fmt.Sprintf("go-%08x", rand.Uint32())
	number, shortCode := fmt.Sprint(rand.Int63n(1e11)+1e11), fmt.Sprint(rand.Intn(900000)+100000)
	phone := fmt.Sprint("+2547", rand.Intn(90000000)+10000000)
	gatewayAt, paymentAt := dial("GATEWAY_GRPC"), dial("PAYMENT_GRPC")

	// A shop with its WhatsApp number and its M-Pesa short code.
	sandbox("PUT", "/control/numbers", `{"phone_number_id": %q, "waba_id": %q, "token": %q, "name": %q, "app_secret": %q, "webhook_url": %q, "display_phone_number": %q}`,
		number, "waba-"+id, "mock_"+id, id, os.Getenv("META_APP_SECRET"), os.Getenv("PUBLIC_BASE_URL")+"/webhooks/whatsapp", "254"+number[:9])
	sandbox("PUT", "/control/shortcodes", `{"shortcode": %q, "name": %q, "passkey": "pass", "consumer_key": %q, "consumer_secret": "secret"}`,
		shortCode, id, "key-"+id)
	name := call(gateway.NewTenantServiceClient(gatewayAt).RegisterTenant, &gateway.RegisterTenantRequest{
		TenantId: id, RequestId: id,
		Settings: &gateway.TenantSettings{Name: "Go shop", CountryCode: "KE", TimeZone: "Africa/Nairobi", CurrencyCode: "KES",
			Languages: []string{"en"}, Pack: "ECOMMERCE", PaymentProviders: []string{"mpesa"}},
		Channel: &gateway.ChannelSpec{ExternalId: number, AppId: os.Getenv("META_APP_ID"),
			Credentials: &gateway.Credentials{AccessToken: "mock_" + id}}}).Name
	call(payment.NewProviderAccountServiceClient(paymentAt).ConnectProviderAccount, &payment.ConnectProviderAccountRequest{Parent: name,
		Mpesa: &payment.MpesaCredentials{ShortCode: shortCode, Passkey: "pass", ConsumerKey: "key-" + id, ConsumerSecret: "secret"}})
	fmt.Println("registered", name)

	// Follows the payments' log from here on, every lane.
	paid := make(chan bool, 1)
	events := common.NewEventLogClient(paymentAt)
	for _, head := range call(events.Heads, &common.HeadsRequest{}).Heads {
		go follow(events, head.Lane, head.Position+1, func(event *common.RecordedEvent) {
			if event.Tenant != id {
				return
			}
			fmt.Printf("  payment %d:%d %s\n", event.Lane, event.Position, event.Type[strings.LastIndex(event.Type, ".")+1:])
			if event.Type == "flowstack.payment.v1.IntentPaid" {
				paid <- true
			}
		})
	}

	// The customer writes, which opens the service window, and gets an answer from us.
	sandbox("PUT", "/control/payers/"+phone, `{"behaviour": "pay", "delay_ms": 200, "balance": 5000}`)
	sandbox("POST", "/control/customers/"+phone+"/say", `{"phone_number_id": %q, "text": "Hi", "name": "Asha"}`, number)
	text := &common.MessageContent_Text{Text: &common.TextContent{Body: "Your repair is ready."}}
	sent := call(gateway.NewMessageServiceClient(gatewayAt).SendMessage, &gateway.SendMessageRequest{
		Parent: name, To: phone, Content: &common.MessageContent{Content: text}, RequestId: "repair-77"})
	fmt.Println("sent", sent.Name, sent.State)

	// A payment of KES 150.00, asked for on their phone. The sandbox's payer knows the PIN.
	customer := call(gateway.NewContactServiceClient(gatewayAt).ResolveContact, &gateway.ResolveContactRequest{Parent: name, Phone: phone})
	payments := payment.NewPaymentServiceClient(paymentAt)
	intent := call(payments.CreatePaymentIntent, &payment.CreatePaymentIntentRequest{Parent: name, RequestId: "pay-77", Phone: phone,
		CustomerId: customer.CustomerId, Reference: "REPAIR-77", Amount: &common.Money{MinorUnits: 15000, CurrencyCode: "KES"}})
	call(payments.InitiateStkPush, &payment.InitiateStkPushRequest{Name: intent.Name, RequestId: "push-77"})
	select {
	case <-paid:
	case <-time.After(30 * time.Second):
		log.Fatal("the payment did not come")
	}
	fmt.Println("paid, receipt", call(payments.GetPayment, &payment.GetPaymentRequest{Name: intent.Name}).Receipt)
}
