import pytest

from shop_r1.drivers.bounds.purchases import labelled_purchase, requested_purchase


@pytest.mark.parametrize(
    "label",
    [
        "Place order",
        "PLACE YOUR ORDER",
        "Buy now",
        "Pay now",
        "Pay $42.00",
        "Pay €12",
        "Complete purchase",
        "Submit payment",
        "Confirm and pay",
        "Buy it now",
        "1-Click",
        "Pay with PayPal",
        "Jetzt kaufen",
        "Zahlungspflichtig bestellen",
        "Valider ma commande",
        "Comprar ahora",
        "Acquista ora",
        "Bestelling plaatsen",
        "Pay",
    ],
)
def test_labels_that_buy_are_known(label: str) -> None:
    assert labelled_purchase(label) is not None


@pytest.mark.parametrize(
    "label",
    [
        "Add to cart",
        "Checkout",
        "Proceed to checkout",
        "Continue to payment",
        "Payment methods",
        "Pay in 4",
        "Order status",
        "Your orders",
        "Paypal",
        "Buying guide",
        "Payless shoes",
        "Reorder",
        "Sort order",
        "Repay",
        "",
        "Order by price",
    ],
)
def test_labels_that_buy_nothing_are_left_alone(label: str) -> None:
    assert labelled_purchase(label) is None


@pytest.mark.parametrize(
    "path",
    [
        "/orders",
        "/api/orders",
        "/rest/V1/guest-carts/x/order",
        "/place-order",
        "/checkout/placeOrder",
        "/checkout/complete",
        "/payment_intents",
        "/v1/payments",
        "/cart/pay",
        "/purchase",
        "/api/carts/110e568f-4420-4fb0-8d65-17570e60c9d2/checkout",
        "/wp-json/wc/store/v1/checkout",
    ],
)
def test_requests_that_buy_are_known(path: str) -> None:
    assert requested_purchase("POST", f"https://shop.example{path}") is not None
    assert requested_purchase("GET", f"https://shop.example{path}") is None


@pytest.mark.parametrize(
    "path",
    [
        "/cart",
        "/cart/add",
        "/search",
        "/login",
        "/api/carts/1/items",
        "/payload",
        "/border/x",
        "/ordering",
        "/checkout",
        "/cart/checkout",
    ],
)
def test_requests_that_buy_nothing_pass(path: str) -> None:
    assert requested_purchase("POST", f"https://shop.example{path}") is None
