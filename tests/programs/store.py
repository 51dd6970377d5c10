"""A shop with orders under way, simulated day by day; demands are drawn before."""

from dataclasses import dataclass, field


@dataclass
class Order:
    amount: float
    due: int


@dataclass
class Costs:
    holding: float = 0.1
    shortage: float = 2.0
    fixed: float = 5.0


@dataclass
class Shop:
    stock: float
    costs: Costs = field(default_factory=Costs)
    orders: list = field(default_factory=list)
    paid: float = 0.0
    lost: float = 0.0

    @property
    def position(self):
        return self.stock + sum(o.amount for o in self.orders)

    def receive(self, day):
        while self.orders and self.orders[0].due <= day:
            order = self.orders.pop(0)
            self.stock += order.amount

    def sell(self, demand):
        sold = min(self.stock, demand)
        self.stock -= sold
        missing = demand - sold
        if missing > 0:
            self.lost += missing
            self.paid += self.costs.shortage * missing
        return sold

    def order(self, amount, day, lead):
        if amount <= 0:
            raise ValueError(f"day {day}: an order of {amount}")
        self.orders.append(Order(amount, day + lead))
        self.paid += self.costs.fixed

    def close(self):
        self.paid += self.costs.holding * self.stock


class BaseStock:
    def __init__(self, level):
        self.level = level

    def __call__(self, shop):
        return self.level - shop.position


class ReorderPoint:
    def __init__(self, point, size):
        self.point, self.size = point, size

    def __call__(self, shop):
        return self.size if shop.position < self.point else 0.0


def simulate(policy, demands, costs=None, lead=2, initial=10.0):
    shop = Shop(initial, costs if costs is not None else Costs())
    sales = []
    events = []
    for day, demand in enumerate(demands):
        shop.receive(day)
        sold = shop.sell(demand)
        sales.append(sold)
        if sold < demand:
            events.append((day, demand - sold))
        wanted = policy(shop)
        if wanted > 1e-9:
            shop.order(wanted, day, lead)
        shop.close()
    return shop, sales, events


def cost_of(kind, settings, demands, costs=None):
    """The cost of a day, and the service level."""
    if kind == "base":
        policy = BaseStock(settings["level"])
    elif kind == "reorder":
        policy = ReorderPoint(settings["point"], settings["size"])
    else:
        raise ValueError(f"no policy {kind}")
    shop, sales, events = simulate(policy, demands, costs)
    days = len(demands)
    return shop.paid / days, sum(sales) / sum(demands), len(events)
